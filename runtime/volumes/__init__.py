"""Volumes: directories and file systems that containers share and that outlive them."""
