"""One command a file; each file defines `command`, a click command of the file's name."""
