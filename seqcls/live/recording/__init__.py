"""The feed on disk: recordings, and a clip of each presence."""
