"""What a pane of the Internals tab stands on: the picked model and a line that says what is being done.

It does not know any single pane.
"""

from collections.abc import Callable
from dataclasses import dataclass

import gradio as gr

from playground.tabs.attention.panes import Bench, Stops
from playground.tabs.kit import AT_ONCE, WAITING, Page
from playground.views.continuations import note


@dataclass(frozen=True)
class Ground:
    """What every drawing needs, and where it says what it does: in place of the Attention tab's `Source`."""

    inputs: set[gr.components.Component]
    status: gr.HTML


def bench(page: Page, status: gr.HTML) -> Bench:
    """A bench for one pane, with a Stop of its own."""
    return Bench(page, Ground({page.reference}, status), Stops(page.blocks), gr.State())


def asked(bench: Bench, *triggers: Callable) -> gr.events.Dependency:
    """What a click or the Enter key does first: it ends what this visitor has running here, and says that it waits."""

    def begin(request: gr.Request) -> str:
        bench.stops.halt(request)
        return note(WAITING)

    return gr.on(list(triggers), begin, None, bench.source.status, **AT_ONCE)
