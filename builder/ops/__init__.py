"""Ops: what carries out one step on a snapshot."""
