"""A layer as files and as a tar, each made from the other."""
