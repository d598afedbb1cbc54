"""Traces: what builds did, as it is kept in the store."""
