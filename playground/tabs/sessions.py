"""What Gradio keeps of every visitor, without the parts that nothing here reads.

For each session, that of a single HTTP call too, Gradio notes the properties of every component (1.9 MB with this page)
so that a link of its own kind can bring the page back, and copies its lists of components and events, to forget them
when 10,000 sessions have come. This page offers no such links and changes no lists. And whenever a handler changes a
component, Gradio makes another one with a number of its own: all of them would stay, 1 to 2 MB for every message that
is sent. Here the new one takes the old one's number and place. What a visitor's conversation holds is not touched.
"""

from collections import ChainMap, OrderedDict

import gradio as gr

MOST = 1_000  # sessions; the longest unused goes first. What is worth keeping is kept by the browser


class _Nothing(dict):
    """Properties of components by number, of which none is kept."""

    def __contains__(self, number: object) -> bool:
        return True

    def __missing__(self, number: int) -> dict:
        return {}

    def __setitem__(self, number: int, properties: dict) -> None:
        pass


class _Components(ChainMap):
    """A session's components by number: its own before those that are the same for all."""

    def __setitem__(self, number: int, component) -> None:
        component._id = number
        super().__setitem__(number, component)


class _Slim(OrderedDict):
    """Sessions by name, each with what has changed since the page was laid out alone."""

    def __init__(self, sessions: OrderedDict, laid_out) -> None:
        self._laid_out = laid_out  # Gradio's BlocksConfig that is the same for all
        super().__init__(sessions)

    def __setitem__(self, name: str, session) -> None:
        session.config_values = _Nothing()
        own, common = session.blocks_config, self._laid_out
        own.blocks = _Components(
            {at: block for at, block in own.blocks.items() if common.blocks.get(at) is not block}, common.blocks
        )
        own.fns = ChainMap({}, common.fns)
        super().__setitem__(name, session)


def slim(blocks: gr.Blocks) -> None:
    """Keeps little of each session from now on; call it when the page has been launched."""
    holder = blocks.state_holder
    holder.session_data = _Slim(holder.session_data, blocks.default_config)
