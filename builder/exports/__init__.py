"""Exports: where an image goes, and in which form."""
