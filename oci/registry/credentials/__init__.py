"""Who we are to a registry: found where others keep it, kept where it is safe."""
