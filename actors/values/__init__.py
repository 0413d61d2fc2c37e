"""Values, names and times, and how they are cut and compared."""
