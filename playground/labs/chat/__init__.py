"""Replies, the conversations they belong to, and what was likely at each word."""
