"""The adapters that ship: their data sets, how they are trained on them, and what they are held to."""
