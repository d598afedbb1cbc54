"""A recipe checked in its surroundings."""
