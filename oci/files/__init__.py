"""Files of the store's disk: workspaces, and making and removing safely."""
