"""Completion in shells: scripts that ask `lamina __complete`, and its answers."""
