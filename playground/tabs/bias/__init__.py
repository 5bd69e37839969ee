"""The Bias tab: one file a pane."""
