"""An archive: a folder with the committed results of many clips."""
