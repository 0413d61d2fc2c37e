"""How a command talks to the engine that runs: JSON over HTTP on a Unix socket beside the database."""
