"""The Prompt lab tab: prompts are built, run on a table, scored and compared."""
