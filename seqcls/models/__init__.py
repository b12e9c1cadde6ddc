"""A model: the file on disk, and the network that it holds."""
