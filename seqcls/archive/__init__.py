"""Many clips into one folder: what is there already, what is missing, what failed, and a table of it all."""
