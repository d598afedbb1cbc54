"""Planning: from a Recipe to a Graph, without doing anything."""
