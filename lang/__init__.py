"""The recipe language: text in, a Recipe and Findings out; no disk, no network."""
