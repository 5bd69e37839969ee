"""Getting hold of a model: files on disk, then an Engine, lent out under a memory budget."""
