"""Bytes on their way: read exactly, digested, compressed."""
