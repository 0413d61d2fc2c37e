"""What a site means: its files, its words, its program."""
