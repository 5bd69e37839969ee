"""The Internals tab: one file a pane."""

INTERNALS = "Internals"  # its title
