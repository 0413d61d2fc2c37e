"""Trees to a program."""
