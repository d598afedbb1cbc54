"""Images: the nouns of the OCI specifications, and the places they live."""
