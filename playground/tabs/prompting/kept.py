"""Results that outlive a reload: what this browser keeps of the last run, bounded in size.

It does not know how a browser keeps anything: that is `gr.BrowserState`.
"""

import json

from playground.errors import PlaygroundError
from playground.labs.prompting import results
from playground.labs.prompting.results import Results

MOST_LETTERS = 1_500_000  # a browser keeps about 5 million for a page, and conversations want most of it
TOO_LARGE = "These results are too large for this browser to keep: download them before you leave or reload."


def kept(found: Results) -> tuple[dict | None, str]:
    """What the browser is to keep, and what to tell the person if that is nothing."""
    plain = results.plain(found)
    if len(json.dumps(plain, ensure_ascii=False)) > MOST_LETTERS:
        return None, TOO_LARGE
    return plain, ""


def restored(value: object) -> Results | None:
    """What was kept; None if there is nothing, or nothing that can be read."""
    if not value:
        return None
    try:
        found = results.read(value)
    except PlaygroundError:  # an older page has kept it
        return None
    return found if found.rows and found.variants else None
