"""The program: command line, settings, composition, and the public API."""
