"""Inputs that do not end: cameras, network streams and OpenIGTLink probes."""
