"""The letters and live messages of a site: their files, their layouts, and what they look at."""
