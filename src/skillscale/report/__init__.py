"""A page that answers and is sent, and the explorer in it."""
