"""The Blend pane of the Merge tab: a recipe on top, and below it what can be done with the merge it gives.

It lays the panes out and keeps the merge that each visitor has; what a pane does is in its own file.
"""

from dataclasses import dataclass

import gradio as gr

from playground.models import lora
from playground.tabs.kit import AT_ONCE, Page
from playground.tabs.merge import asking, inspecting, keeping, kitchen, laying, linked, sweeping
from playground.tabs.merge.kitchen import STARTER, Kitchen
from playground.tabs.merge.visitors import Visitors
from playground.views.continuations import note

TITLE = "Blend"
INTRODUCTION = (
    "<p><b>Merging</b> computes new weights from those of models with one ancestor; no training, no data. The merge "
    "lives in memory beside its parents, changes when a slider is let go, and can be used in every other tab.</p>"
)
PANES = (asking, sweeping, inspecting, keeping)  # in screen order


@dataclass(frozen=True)
class Example:
    caption: str
    recipe: dict  # as mergekit writes it
    prompt: str
    look: str


def adapted(name: str) -> str:
    """The starter with an adapter; "" gives the starter itself."""
    return f"{STARTER}+adapter:{name}" if name else STARTER


def examples() -> tuple[Example, ...]:
    """Worked examples; of adapters that are not there, none."""

    def two(**more) -> dict:
        names, own = more.pop("names"), more.pop("own", {})
        models = [{"model": adapted(name)} | ({"parameters": dict(own)} if own else {}) for name in names]
        return {"models": models} | more

    found = (
        Example(
            "Pirate meets JSON: SLERP, t = 0.5",
            two(names=("pirate", "json"), merge_method="slerp", base_model=adapted("pirate"), parameters={"t": 0.5}),
            "What is the capital of France?",
            "A answers as a pirate, B in JSON. Move t and watch the merge change over; on the way it does both.",
        ),
        Example(
            "How much of a habit?",
            two(names=("", "sentiment"), merge_method="slerp", base_model=STARTER, parameters={"t": 0.7}),
            "The film was a waste of two hours and I want them back.",
            "A is the plain starter, B was tuned to answer with one word. See from which t on the merge does too.",
        ),
        Example(
            "Linear, half and half",
            two(names=("pirate", "json"), merge_method="linear", own={"weight": 0.5}),
            "Explain bubble sort algorithm",
            "So close to its parents, the average is what SLERP gives too: the inspector says for how many tensors.",
        ),
        Example(
            "TIES keeping the top fifth",
            two(
                names=("pirate", "arithmetic"),
                merge_method="ties",
                base_model=STARTER,
                own={"weight": 1.0, "density": 0.2},
                parameters={"lambda": 1.0},
            ),
            "Solve: 2x + 5 = 15",
            "Of what each adapter changed only the largest fifth is kept, and a sign is elected where they disagree.",
        ),
        Example(
            "DARE: drop half, keep the habit",
            two(
                names=("pirate", "json"),
                merge_method="dare_linear",
                base_model=STARTER,
                own={"weight": 0.7, "density": 0.5},
                playground={"dialect": "paper", "seed": 42},
            ),
            "Write a Python function to sort a list",
            "Half of all changes are dropped at random and the rest doubled. Another seed drops others: try one.",
        ),
        Example(
            "Take the pirate away",
            two(
                names=("pirate", "json"),
                merge_method="task_arithmetic",
                base_model=STARTER,
                own={"weight": 1.0},
                parameters={"lambda": 0.6},
            ),
            "Who wrote Romeo and Juliet?",
            "Task arithmetic adds what both have learned. Give A a weight below 0: its habit is taken away.",
        ),
    )
    there = {"", *lora.shipped()}
    return tuple(e for e in found if all(m["model"].partition("+adapter:")[2] in there for m in e.recipe["models"]))


def build(page: Page) -> None:
    from playground.labs.merging import mergekit_yaml, methods

    listed = examples()
    recipe = mergekit_yaml.read(listed[0].recipe) if listed else None
    first = {
        "a": recipe.models[0].reference if recipe else page.settings.default_models[0],
        "b": recipe.models[1].reference if recipe else "",
        "base": STARTER,
        "method": recipe.method if recipe else "slerp",
        "told": kitchen.described(methods.find("slerp")),
    }
    with gr.Row(elem_classes="examples", elem_id="merge-examples"):
        gr.HTML("Examples:")
        buttons = [
            gr.Button(example.caption, size="sm", min_width=0, variant="primary" if i == 0 else "secondary")
            for i, example in enumerate(listed)
        ]
    gr.HTML(INTRODUCTION, elem_id="merge-introduction", elem_classes="introduction")
    cook, moved = laying.build(page, [(method.title, name) for name, method in methods.METHODS.items()], first)
    visitors = Visitors(page, cook)
    built = {}
    with gr.Tabs(elem_id="merge-blend") as strip:
        for pane in PANES:
            with gr.Tab(pane.TITLE, id=pane.TITLE):
                built[pane.TITLE] = pane.build(page, visitors)
    boxes = built[asking.TITLE].boxes | built[sweeping.TITLE].boxes
    page.forms.offer("Merge", TITLE, boxes, more=linked.of(cook))
    page.forms.inside["Merge", TITLE] = strip
    _connect(cook, strip, built, buttons, listed)
    for event in moved:
        built[asking.TITLE].after(event)


def _connect(cook: Kitchen, strip: gr.Tabs, built: dict, buttons: list[gr.Button], listed: tuple[Example, ...]) -> None:
    ask = built[asking.TITLE]
    built[sweeping.TITLE].picking(ask, strip)
    built[keeping.TITLE].bringing(ask)
    filling = [*cook.all, ask.prompt, ask.look, strip]
    for button, example in zip(buttons, listed, strict=True):

        def fill(example: Example = example) -> dict:
            from playground.labs.merging import mergekit_yaml

            return cook.shown(mergekit_yaml.read(example.recipe)) | {
                ask.prompt: example.prompt,
                ask.look: note(example.look),
                strip: gr.update(selected=asking.TITLE),
            }

        ask.after(button.click(fill, None, filling, **AT_ONCE))
