"""JSON to events, or a rejection with its reason."""
