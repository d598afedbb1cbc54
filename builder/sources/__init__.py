"""The files that a build reads: contexts and stages, what counts, and its digests."""
