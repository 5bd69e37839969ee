"""What can be done to one model: write, score, watch, change. It does not know where models come from."""
