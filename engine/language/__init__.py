"""The campaign language: YAML and expressions in, a program out (`design` words: site, campaign, pattern, program)."""
