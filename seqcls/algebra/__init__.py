"""Organs made of others by an expression, such as "thyroid and not trachea": the option --where."""
