"""Where that was trained which ships with Playground. Nothing here runs when the page does."""
