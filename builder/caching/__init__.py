"""Caching: the names of results, what is known under them, and why not."""
