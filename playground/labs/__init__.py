"""Experiments: plain functions on an Engine, with plain results. They do not know who shows them."""
