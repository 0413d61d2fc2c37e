"""The same actors in other times."""
