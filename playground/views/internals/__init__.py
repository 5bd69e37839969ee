"""What Internals finds, drawn."""
