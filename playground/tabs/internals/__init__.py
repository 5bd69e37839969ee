"""The Internals tab: one file a pane."""
