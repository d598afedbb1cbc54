"""Images as archives and folders, brought in and written out."""
