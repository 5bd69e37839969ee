"""The sliders of the Adapters pane: one an adapter, for those that ship and for some that a visitor names.

It does not know what is done with the weights.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import gradio as gr

from playground.errors import PlaygroundError
from playground.models.lora import shipped
from playground.tabs.kit import Page

if TYPE_CHECKING:  # torch, which a page that is being laid out must not wait for
    from playground.engine.adapters import Adapter

OWN = 2  # adapters that a visitor can name
WIDEST = 2.0


@dataclass(frozen=True, eq=False)
class Rack:
    """The components."""

    page: Page
    names: tuple[str, ...]  # of the shipped ones
    sliders: tuple[gr.Slider, ...]  # of those, then of the visitor's own
    own: tuple[gr.Textbox, ...]

    @property
    def all(self) -> set[gr.components.Component]:
        return {*self.sliders, *self.own}

    @property
    def boxes(self) -> dict[str, gr.components.Component]:
        """What goes into a link; a shipped adapter's weight under its name."""
        named = [f"weight_{name}" for name in (*self.names, *(f"own_{i}" for i in range(1, OWN + 1)))]
        own = {f"own_{i}": box for i, box in enumerate(self.own, 1)}
        return dict(zip(named, self.sliders, strict=True)) | own

    def weights(self, values: dict) -> dict[str, float]:
        """Name -> weight, of those that are not 0.

        Raises:
            PlaygroundError: an adapter has a weight and no name, or is named twice.
        """
        named = [*self.names, *((values[box] or "").strip() for box in self.own)]
        found: dict[str, float] = {}
        for name, slider in zip(named, self.sliders, strict=True):
            weight = float(values[slider] or 0)
            if not weight:
                continue
            if not name:
                raise PlaygroundError("An adapter of your own has a weight and no name. Name it, or move it back to 0.")
            if name in found:
                raise PlaygroundError(f"The adapter {name} is there twice. Give it one weight.")
            found[name] = weight
        return found

    def adapters(self, values: dict) -> tuple[list[Adapter], list[float]]:
        """Those with a weight, in memory, and the weights.

        Raises:
            PlaygroundError: as `weights`; or one cannot be had.
        """
        from playground.labs.adapters import catalogue

        weights = self.weights(values)
        return [catalogue.ready(name, self.page.settings) for name in weights], list(weights.values())

    def base(self, values: dict) -> str:
        """The picked model, without adapters that its reference may name: the sliders say which count here."""
        plain, _, precision = (values[self.page.reference] or "").partition("#")
        plain = plain.partition("+adapter:")[0]
        return f"{plain}#{precision}" if precision else plain

    def reference(self, values: dict) -> str:
        """The model with the mixture in its weights, as a reference: it can be picked in every tab.

        Raises:
            PlaygroundError: all weights are 0.
        """
        weights = self.weights(values)
        if not weights:
            raise PlaygroundError("All weights are 0: that is the model as it is. Move a slider.")
        plain, _, precision = self.base(values).partition("#")
        text = plain + "".join(f"+adapter:{name}" + ("" if w == 1 else f"*{w:g}") for name, w in weights.items())
        return f"{text}#{precision}" if precision else text

    def filled(self, weights: dict[str, float]) -> list[float]:
        """Values of the sliders: those named, and 0 for all others."""
        return [weights.get(name, 0.0) for name in (*self.names, *("" for _ in self.own))]


def build(page: Page, first: dict[str, float], describe: Callable[[str], str]) -> Rack:
    """Lays the sliders out. `describe`: a line under each."""
    names, sliders, own = shipped(), [], []
    with gr.Row(elem_classes="asked"):
        for name in names:
            sliders.append(
                gr.Slider(
                    -1.0,
                    WIDEST,
                    first.get(name, 0.0),
                    step=0.05,
                    label=name,
                    info=describe(name),
                    min_width=200,
                    elem_id=f"merge-adapters-weight-{name}",
                )
            )
    with gr.Accordion("Adapters of your own", open=False):
        for number in range(1, OWN + 1):
            with gr.Row(elem_classes="asked"):
                own.append(
                    gr.Textbox(
                        label=f"Adapter {number}",
                        info="A folder (/path/to/adapter) or a hub id (org/name) of a LoRA in PEFT's form.",
                        min_width=240,
                        elem_id=f"merge-adapters-own-{number}",
                    )
                )
                sliders.append(
                    gr.Slider(
                        -1.0,
                        WIDEST,
                        0.0,
                        step=0.05,
                        label=f"Weight of adapter {number}",
                        min_width=200,
                        elem_id=f"merge-adapters-own-weight-{number}",
                    )
                )
    return Rack(page, names, tuple(sliders), tuple(own))
