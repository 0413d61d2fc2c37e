"""How runs begin, move and end."""
