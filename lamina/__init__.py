"""Lamina: build container images from recipes, and run them."""

__version__ = "0.1.0"
