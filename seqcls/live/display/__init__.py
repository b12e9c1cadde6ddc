"""The feed on a screen: a page for browsers, and a window."""
