"""How many users fit into memory: at rest as compressed bytes, known by a filter, and a collector that does not look at all."""
