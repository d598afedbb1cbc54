"""Limits for a group of processes, and their common end."""
