"""Clips that can be passed on: the ultrasound region alone, without names in tags, metadata and file names."""
