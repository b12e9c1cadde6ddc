"""Text from elsewhere made safe for each place it is shown in, and numbers put into words."""
