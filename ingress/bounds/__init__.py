"""How much of it."""
