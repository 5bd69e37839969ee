"""The Attention tab: one file a pane."""
