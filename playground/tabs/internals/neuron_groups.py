"""Which neurons tell two groups of sentences apart: two boxes, a ranking, and a button a neuron.

It does not know how they are compared or drawn.
"""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import gradio as gr

from playground.errors import PlaygroundError
from playground.tabs.attention.panes import BUTTONS, Pane, progress, reported
from playground.tabs.files import write_files
from playground.tabs.internals.benches import asked, bench
from playground.tabs.internals.unit import KINDS, NEURON
from playground.tabs.kit import AT_ONCE, Page, title_of

LISTED = 20
MOST_SENTENCES = 500  # a group
POOLINGS = {"Mean of its tokens": "mean", "Highest token": "max", "Last token": "last"}
PRAISE = """I love this!
Amazing!
Great work!
What a wonderful day.
The food was delicious.
This is the best film I have seen.
She sings beautifully.
I am so happy with it.
The staff were kind and helpful.
A perfect gift, thank you.
He did an excellent job.
The view is lovely."""
COMPLAINT = """I hate this.
Terrible.
Worst ever.
What an awful day.
The food was disgusting.
This is the worst film I have seen.
She sings horribly.
I am so disappointed with it.
The staff were rude and lazy.
A useless gift, no thanks.
He did a dreadful job.
The view is ugly."""


@dataclass(frozen=True)
class Example:
    caption: str
    first: str
    second: str


def _three(text: str) -> str:
    return "\n".join(text.splitlines()[:3])


EXAMPLES = (
    Example("Praise against complaint", PRAISE, COMPLAINT),
    Example("… three sentences each", _three(PRAISE), _three(COMPLAINT)),
)


@dataclass(frozen=True, eq=False)
class Groups:
    """What the pane needs of the comparison."""

    compared: gr.State  # the sentences of both groups as they were last compared; None: not yet
    ranking: gr.HTML  # its `select` brings (layer, index)
    kind: gr.Radio
    filling: list[gr.components.Component]
    compare_after: object  # event -> the groups are compared after it

    def connect(self, buttons: Sequence[gr.Button]) -> None:
        """Example buttons fill the boxes and compare."""
        for button, example in zip(buttons, EXAMPLES, strict=True):

            def fill(example: Example = example) -> list:
                return [example.first, example.second]

            self.compare_after(button.click(fill, None, self.filling, **AT_ONCE).success)


def build(page: Page) -> Groups:
    with gr.Row():
        boxes = [
            gr.Textbox(text, label=name, info=info, lines=6, max_lines=12, min_width=280, elem_id=f"group-{at}")
            for at, (text, name, info) in enumerate(
                (
                    (PRAISE, "First group", "One sentence a line; at least two, better ten or more."),
                    (COMPLAINT, "Second group", "As like the first as can be, but for what you ask about."),
                ),
                start=1,
            )
        ]
    with gr.Row(elem_id="group-choices"):
        kind = gr.Radio(list(KINDS), value=NEURON, label="Compare", min_width=240)
        pooling = gr.Radio(list(POOLINGS), value="Mean of its tokens", label="A sentence counts by", min_width=300)
    with gr.Row(elem_classes="buttons"):
        compare = gr.Button("Compare", variant="primary", elem_id="group-compare")
        stop = gr.Button("Stop", variant="stop", elem_id="group-stop")
    status = gr.HTML(elem_id="group-status", elem_classes="doing")
    caption = gr.HTML(elem_id="group-caption", elem_classes="outcome")
    ranking = gr.HTML(elem_id="group-ranking", js_on_load=BUTTONS, elem_classes="outcome")
    with gr.Accordion("Downloads", open=False, visible=False, elem_id="group-export") as export:
        files = gr.File(label="Ranking as CSV", interactive=False)
    compared = gr.State()

    def draw(values: dict, halted: threading.Event) -> Iterator[dict]:
        from playground.labs.internals import neuron_groups as lab
        from playground.views.internals import neuron_files
        from playground.views.internals import neurons as view

        reference = values[page.reference] or ""
        sides = tuple(sentences(values[box], name) for box, name in zip(boxes, ("first", "second"), strict=True))

        def work(report):
            with page.models.lease(reference) as engine:
                chosen = (KINDS[values[kind]], POOLINGS[values[pooling]])
                return lab.difference(engine, *sides, *chosen, most=200, report=report, stop=halted)

        for news in reported(work, halted):
            if isinstance(news, tuple):
                yield {status: progress(*news)}
                continue
            yield {
                caption: view.difference_caption(news, title_of(reference)),
                ranking: view.difference(news, LISTED),
                compared: sides,
                export: gr.update(visible=True),
                files: write_files({"neurons.csv": neuron_files.difference_csv(news)})[0],
            }

    desk = bench(page, status)
    pane = Pane("Groups", {*boxes, kind, pooling}, [caption, ranking, compared, export, files], draw)
    begun = asked(desk, compare.click)

    def compare_after(event) -> gr.events.Dependency:
        return desk.draw_after(event, pane)

    compare_after(begun.success)
    stop.click(desk.stops.halt, None, None, **AT_ONCE)
    return Groups(compared, ranking, kind, boxes, compare_after)


def sentences(text: str | None, name: str) -> tuple[str, ...]:
    """One a line, without the empty ones.

    Raises:
        PlaygroundError: fewer than two, or too many.
    """
    found = tuple(line.strip() for line in (text or "").splitlines() if line.strip())
    if len(found) < 2:
        raise PlaygroundError(
            f"The {name} group has {len(found)} sentence{'' if len(found) == 1 else 's'}, and at least two are needed "
            "to tell a difference from chance. Put one on each line."
        )
    if len(found) > MOST_SENTENCES:
        raise PlaygroundError(
            f"The {name} group has {len(found):,} sentences; {MOST_SENTENCES} are the most. Leave some out."
        )
    return found
