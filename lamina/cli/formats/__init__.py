"""Sizes, times, tables and templates, as people write and read them."""
