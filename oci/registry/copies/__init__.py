"""Images from one place to another as they are."""
