"""One process apart from the host: namespaces, mounts, ids, filters, the zygote."""
