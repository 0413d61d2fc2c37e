"""A site's files."""
