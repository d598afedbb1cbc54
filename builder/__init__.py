"""From a recipe to an image: the graph, its cache, and the steps."""
