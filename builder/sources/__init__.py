"""Sources: where a build's files come from, which of them count, and their digests."""
