"""Watching: files that are saved, as settled sets of paths."""
