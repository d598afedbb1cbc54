"""Formatting: the one layout of a recipe, and the proof that it changes nothing."""
