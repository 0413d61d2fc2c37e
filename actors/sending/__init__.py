"""Whether a message may go."""
