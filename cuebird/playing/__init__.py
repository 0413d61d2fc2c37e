"""Histories that are played, and what is told of them."""
