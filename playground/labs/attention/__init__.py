"""Which token looks at which, and what an answer hangs on."""
