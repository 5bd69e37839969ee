"""Probing: what can be read off a model's residuals by a simple classifier, layer by layer, and what that is worth."""
