"""“Send to”: one row by which a pane hands a text, a head or a layer to other tabs, where it is looked at at once.

Which tabs these are is data: `To`. What a tab does with what comes is its own business (`Page.post`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import gradio as gr

from playground.tabs.kit import MAY_REFUSE, Page, Parcel, places, user_errors
from playground.views import sending as view


@dataclass(frozen=True)
class To:
    """Where something can go."""

    tab: str
    pane: str = ""  # the sub-tab; "": the one that the tab picks

    @property
    def name(self) -> str:
        return self.pane or self.tab


CHAT, LAB, ATTENTION, BIAS, SEARCH, MERGE = map(To, ("Chat", "Prompt lab", "Attention", "Bias", "Search", "Merge"))
LENS, PATCHING, ABLATION, STEERING, NEURONS, PROBING = (
    To("Internals", pane) for pane in ("Logit lens", "Patching", "Ablation", "Steering", "Neurons", "Probing")
)
FILL = To("Bias", "Fill the blank")  # as it is called within its own tab

A_TEXT = (CHAT, LAB, ATTENTION, LENS, NEURONS, BIAS, SEARCH)  # where what was said or written can go
A_PROMPT = (CHAT, LAB, ATTENTION, LENS, PATCHING, ABLATION, STEERING, NEURONS, BIAS, SEARCH)  # what is gone on from
WITH_SPECIAL_TOKENS = (ATTENTION, LENS, ABLATION, STEERING, NEURONS)  # a text as the model reads it

Offered = Mapping[str, Sequence[To]]  # what can be sent -> where
Pack = Callable[[dict, str, str], Parcel]  # (values, what, visitor) -> what is sent; raises PlaygroundError: nothing

# A click is a `select` with [number of what is sent, number of the place]; the choice shows the buttons of its own.
CLICKS = """
element.addEventListener('change', (event) => {
  const choice = event.target.closest('select');
  if (!choice) return;
  element.querySelectorAll('[data-of]').forEach((group) => { group.hidden = group.dataset.of !== choice.value; });
});
element.addEventListener('click', (event) => {
  const button = event.target.closest('button[data-at]');
  if (button) trigger('select', {index: button.dataset.at.split(',').map(Number), value: button.dataset.at});
});
"""


def elsewhere(places: Sequence[To], *here: To) -> tuple[To, ...]:
    """The places but those that something comes from."""
    return tuple(place for place in places if place not in here)


def take(
    post: gr.State,
    fill: Callable[[Parcel], list],
    filling: list,
    run: Callable[[gr.events.Dependency], object] | None = None,
) -> None:
    """Has a pane filled in when a parcel comes, and then run.

    Args:
        post: holds the last parcel.
        fill: gives updates of `filling`; raises PlaygroundError: nothing can be made of it here.
        run: connects what is to be done after the event that has filled it in; None: it is heavy and waits for a click.
    """

    def receive(parcel: Parcel | None) -> list:
        if parcel is None:
            return [gr.skip()] * len(filling)
        with user_errors():
            return fill(parcel)

    came = post.change(receive, post, filling, **MAY_REFUSE)
    if run is not None:
        run(came)


def row(
    page: Page,
    name: str,
    offered: Offered,
    inputs: set[gr.components.Component],
    pack: Pack,
    reads_model: bool = False,
) -> gr.HTML | None:
    """Lays the row out; of tabs that are not on the page, and of what could go nowhere, nothing is offered.

    Args:
        name: of the element.
        inputs: what `pack` needs.
        reads_model: packing runs a model or its tokenizer, and waits for its turn.
    """
    there = {what: [to for to in wanted if to.tab in page.post] for what, wanted in offered.items()}
    there = {what: wanted for what, wanted in there.items() if wanted}
    if not there:
        return None
    place = gr.HTML(
        view.row({what: [to.name for to in wanted] for what, wanted in there.items()}, name),
        js_on_load=CLICKS,
        elem_id=name,
    )

    def send(values: dict, event: gr.SelectData, request: gr.Request) -> dict:
        with user_errors():
            i, j = map(round, places(event))
            what = list(there)[i]
            to = there[what][j]
            return page.send(to.tab, pack(values, what, request.session_hash or ""), to.pane)

    outputs = [page.tabs, page.reference, *page.post.values()]
    place.select(send, inputs | {page.reference}, outputs, **(page.queued if reads_model else MAY_REFUSE))
    return place
