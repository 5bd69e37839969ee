"""Bias: measured with intervals, changed, and measured again. One idea a file."""
