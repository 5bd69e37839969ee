"""The one exception whose words reach the person as written.

It does not know who shows it: `tabs/kit.py` turns it into a message on the page, the command line prints it.
"""


class PlaygroundError(Exception):
    """Says what happened and what to do, in words for the person at the page."""
