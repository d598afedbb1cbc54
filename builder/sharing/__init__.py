"""Sharing: the build cache of other machines, brought in and handed out."""
