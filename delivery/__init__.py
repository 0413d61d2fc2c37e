"""The ways out: e-mail and push; rendering, retries, outcomes."""
