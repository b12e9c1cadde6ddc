"""A finished run as one page that opens from disk: look at it, try other options, hand it on."""
