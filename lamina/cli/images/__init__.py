"""The commands of images in the store."""
