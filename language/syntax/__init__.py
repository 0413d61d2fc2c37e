"""Words and trees of the language."""
