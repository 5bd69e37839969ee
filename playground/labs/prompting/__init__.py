"""Prompts as experiments: what is asked, what counts as right, and whether a difference is luck."""
