"""Live: a feed watched for hours, what is in view now, and nothing lost."""
