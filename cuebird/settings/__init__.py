"""Settings, keys, logs."""
