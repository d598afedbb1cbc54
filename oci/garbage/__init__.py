"""Garbage: what nothing in the store needs, or what is too much of it."""
