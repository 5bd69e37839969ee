"""What Gradio keeps of every visitor, without the part that nothing here reads.

For each session, that of a single HTTP call too, Gradio notes the properties of every component (1.3 MB with this page)
so that a link of its own kind can bring the page back, and forgets them when 10,000 sessions have come. This page
offers no such links. What a visitor's conversation holds is not touched.
"""

from collections import OrderedDict

import gradio as gr

MOST = 1_000  # sessions; the longest unused goes first. What is worth keeping is kept by the browser


class _Slim(OrderedDict):
    """Sessions by name, each without the properties of components that have not changed."""

    def __setitem__(self, name: str, session) -> None:
        session.config_values.clear()
        super().__setitem__(name, session)


def slim(blocks: gr.Blocks) -> None:
    """Keeps little of each session from now on; call it when the page has been launched."""
    holder = blocks.state_holder
    holder.session_data = _Slim(holder.session_data)
