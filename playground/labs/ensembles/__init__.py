"""Ensembles: several classifiers or several models, whose answers are combined instead of their weights."""
