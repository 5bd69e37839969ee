"""Attention drawn."""
