"""Bases: what FROM stands on."""
