"""Containers: what was asked, what became of them, and who attends to them."""
