"""What the Prompt lab finds, drawn."""
