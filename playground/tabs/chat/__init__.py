"""The Chat tab: its conversations, completions and rivals, and the panes beside them."""
