"""The commands that build, and the flags they share."""
