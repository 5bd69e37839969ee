"""Lays the boxes of a recipe out, and connects those that fill each other in.

It does not know how they are read: `kitchen.py`.
"""

from collections.abc import Callable, Sequence
from dataclasses import fields

import gradio as gr

from playground.errors import PlaygroundError
from playground.models import lora
from playground.models.catalog import catalog
from playground.settings import Settings
from playground.tabs.kit import AT_ONCE, Page, title_of
from playground.tabs.merge import typed
from playground.tabs.merge.kitchen import FURTHER, PARTS, SHARES, STARTER, Kitchen
from playground.views.merge import curve as curves

PRESETS = {
    "The same everywhere": "",
    "A at the bottom, B at the top": "0, 1",
    "B in the middle": "0, 1, 0",
    "A in the middle": "1, 0, 1",
    "Step half-way": "0, 0, 0, 1, 1, 1",
}


def drawn(text: str) -> str | dict:
    """The curve's drawing; while its numbers cannot be read it stays as it is."""
    try:
        return curves.html(typed.numbers(text or "", "The curve"))
    except PlaygroundError:
        return gr.skip()


def picked(event: gr.SelectData) -> str:
    """The numbers of a curve that was drawn."""
    return str(event.value)


def offered(settings: Settings) -> list[tuple[str, str]]:
    """Models that could be parents: the starter with each adapter that ships, then what the catalog has that writes."""
    adapted = [f"{STARTER}+adapter:{name}" for name in lora.shipped()]
    own = [entry.reference for entry in catalog() if entry.kind in ("chat", "base", "masked")]
    return [(title_of(reference), reference) for reference in dict.fromkeys([*adapted, *settings.default_models, *own])]


def build(
    page: Page, methods: Sequence[tuple[str, str]], first: dict
) -> tuple[Kitchen, tuple[gr.events.Dependency, ...]]:
    """Lays the recipe out. Returns it, and the events beside its sliders after which the merge is made anew.

    methods: (title, name); first: values of boxes by name, of the first example.
    """
    choices, first = offered(page.settings), dict(first)
    parts: dict = {}

    def model(name: str, label: str, info: str, **more) -> gr.Dropdown:
        return gr.Dropdown(
            choices,
            value=first[name],
            label=label,
            info=info,
            allow_custom_value=True,
            min_width=220,
            elem_id=f"merge-{name}",
            **more,
        )

    def slider(
        name: str, low: float, high: float, value: float, label: str, info: str | None, visible: bool
    ) -> gr.Slider:
        return gr.Slider(
            low, high, value, step=0.01, label=label, info=info, visible=visible, min_width=160,
            elem_id=f"merge-{name.replace('_', '-')}",
        )  # fmt: skip

    with gr.Row(elem_classes="asked"):
        parts["a"] = model("a", "Model A", "A reference; +adapter:name adds a LoRA.")
        parts["b"] = model("b", "Model B", "Of the same architecture and size.")
        parts["base"] = model("base", "Base", "What A and B were tuned from.", visible=False)
    with gr.Row(elem_classes="asked"):
        with gr.Column(scale=2, min_width=260):
            parts["method"] = gr.Dropdown(list(methods), value=first["method"], label="Method", elem_id="merge-method")
            parts["dialect"] = gr.Radio(
                ["mergekit"], value="mergekit", label="Dialect", visible=False, elem_id="merge-dialect"
            )
            with gr.Accordion("What this method does", open=False, elem_id="merge-what"):
                parts["told"] = gr.Markdown(
                    first["told"], latex_delimiters=[{"left": "$$", "right": "$$", "display": True}]
                )
        with gr.Column(scale=3, min_width=300):
            parts["t"] = slider("t", 0, 1, 0.5, "t", "0 is A, 1 is B. Let go, and the merge answers.", True)
            with gr.Row():
                parts["weight_a"] = slider("weight_a", -1, 2, 1, "Weight of A", "Below 0: taken away.", False)
                parts["weight_b"] = slider("weight_b", -1, 2, 1, "Weight of B", "Below 0: taken away.", False)
            with gr.Row():
                parts["density_a"] = slider("density_a", 0, 1, 1, "Density of A", "Share of changes kept.", False)
                parts["density_b"] = slider("density_b", 0, 1, 1, "Density of B", "Share of changes kept.", False)
            parts["scale"] = slider("scale", 0, 2, 1, "λ", "How much of the joint change is added.", False)
    with gr.Accordion("Layers and parts", open=False, elem_id="merge-layers"), gr.Row():
        with gr.Column(min_width=280):
            with gr.Row():
                parts["preset"] = gr.Dropdown(
                    list(PRESETS),
                    value=next(iter(PRESETS)),
                    label="Curve over the layers",
                    min_width=180,
                    elem_id="merge-preset",
                )
                parts["curve"] = gr.Textbox(
                    "",
                    label="Its numbers: shares of B",
                    placeholder="0, 0.5, 1",
                    min_width=140,
                    elem_id="merge-curve",
                )
            drawing = gr.HTML(curves.html(()), js_on_load=curves.DRAG, min_width=240, elem_id="merge-drawing")
        with gr.Column(min_width=280):
            parts["own"] = gr.CheckboxGroup(
                list(PARTS),
                label="Parts with a share of their own",
                info="Moving a part's slider ticks it. The others follow the curve, or the sliders above.",
                elem_id="merge-own",
            )
            for pair in zip(PARTS[::2], PARTS[1::2], strict=True):
                with gr.Row():
                    for part in pair:
                        name = f"share_{part.lower()}"
                        parts[name] = slider(name, 0, 1, 0.5, f"Share of B in {part}", None, True)
            parts["parts"] = gr.Textbox(
                "",
                label="Other pieces",
                info="A line a piece of a weight's name: one share, or a curve. These come first.",
                placeholder="mlp.down: 0, 1",
                lines=1,
                max_lines=4,
                min_width=240,
                elem_id="merge-parts",
            )
    with gr.Accordion("Further models and options", open=False, elem_id="merge-more"):
        with gr.Row(elem_classes="asked"):
            for name in FURTHER:
                with gr.Column(min_width=280):
                    first[name] = ""
                    parts[name] = model(name, f"Model {name.upper()}", "Empty: there is none.")
                    with gr.Row():
                        for what, low, high in (("weight", -1, 2), ("density", 0, 1)):
                            label = f"{what.capitalize()} of {name.upper()}"
                            parts[f"{what}_{name}"] = slider(f"{what}_{name}", low, high, 1, label, None, False)
        parts["more"] = gr.Textbox(
            "",
            label="Still more models",
            info="One a line: reference, weight, density. Eight in all.",
            placeholder=f"{STARTER} 0.5 1",
            lines=1,
            max_lines=4,
            min_width=280,
            elem_id="merge-further",
        )
        with gr.Row():
            parts["epsilon"] = slider("epsilon", 0, 0.49, 0.15, "ε", "DELLA: half the range of probabilities.", False)
            parts["gamma"] = slider("gamma", 0, 0.5, 0.01, "γ", "Breadcrumbs: share of outliers left out.", False)
            parts["normalize"] = gr.Checkbox(True, label="Divide by the sum of weights", visible=False, min_width=180)
            parts["rescale"] = gr.Checkbox(True, label="Make up for what is dropped", visible=False, min_width=180)
            parts["row_wise"] = gr.Checkbox(False, label="Row by row", visible=False, min_width=140)
            parts["election"] = gr.Radio(
                ["sum", "count"], value="sum", label="Signs elected by", visible=False, min_width=160
            )
            parts["seed"] = gr.Number(42, precision=0, label="Seed of what is dropped", visible=False, min_width=140)
            parts["union"] = gr.Checkbox(
                False, label="Unite vocabularies", info="Embedding rows by their tokens' names.", min_width=180
            )
    kitchen = Kitchen(**{item.name: parts[item.name] for item in fields(Kitchen)})
    fitted = [box for box in kitchen.all if box in kitchen.fit(first["method"])]
    kitchen.method.input(kitchen.fit, kitchen.method, fitted, **AT_ONCE)
    kitchen.curve.change(drawn, kitchen.curve, drawing, **AT_ONCE)
    moved = (
        kitchen.preset.input(lambda name: PRESETS[name], kitchen.preset, kitchen.curve, **AT_ONCE),
        drawing.select(picked, None, kitchen.curve, **AT_ONCE),
        kitchen.own.input(lambda: None, None, None, **AT_ONCE),
        *(
            getattr(kitchen, share).release(_ticking(part), kitchen.own, kitchen.own, **AT_ONCE)
            for part, share in zip(PARTS, SHARES, strict=True)
        ),
    )
    return kitchen, moved


def _ticking(part: str) -> Callable[[list[str] | None], list[str]]:
    """Ticks a part."""
    return lambda own: list(dict.fromkeys([*(own or ()), part]))
