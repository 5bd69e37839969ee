"""Models blended from the weights of others: recipes, methods, the live merge, sweeps, inspection and saving."""
