"""Requests, and what a browser sees."""
