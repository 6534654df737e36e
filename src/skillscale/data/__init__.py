"""Tables that a user brings or the package ships: reading, checking, selecting."""
