"""The Bias tab: one file a pane."""

BIAS = "Bias"  # its title
