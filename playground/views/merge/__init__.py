"""What the Merge tab draws."""
