"""What a report of a fit says, a file for every section: pure functions of what was found."""
