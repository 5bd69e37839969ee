"""What the Attention tab looks at: a text, perhaps a second one, and which attention of the model.

Maps that were just computed are kept, under a limit for all visitors together, so that going from head to head needs
no new pass through the model. It does not know how maps are drawn.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from playground.errors import PlaygroundError
from playground.models.catalog import catalog
from playground.tabs.kit import Page

KEEP = 256_000_000  # bytes of maps, for all visitors together
ALL_AT_ONCE = 64_000_000  # bytes; below, every layer is recorded even when one is asked for

ENCODER, DECODER, CROSS = "Encoder", "Decoder", "Cross: decoder to encoder"
PLACES = {("encoder", "self"): ENCODER, ("decoder", "self"): DECODER, ("decoder", "cross"): CROSS}
READS_PAIRS = ("masked", "classifier", "encoder")
SECOND = {
    "pair": ("Second sentence", "Optional. Both are read together, as BERT-like models read pairs."),
    "target": ("Text that the decoder writes", "Optional. Empty: the model writes it itself, greedily."),
}


@dataclass(frozen=True)
class Asked:
    """What is looked at. Hashable: it is the name under which maps are kept."""

    reference: str
    text: str
    pair: str = ""
    complete: bool = False  # special tokens are in the text already
    place: str | None = None  # one of `PLACES`' names; None: the model's own
    layers: tuple[int, ...] | None = None  # None: all

    @property
    def stack_and_kind(self) -> dict[str, str]:
        """Arguments for the lab."""
        found = next(((stack, kind) for (stack, kind), name in PLACES.items() if name == self.place), None)
        return dict(zip(("stack", "kind"), found, strict=True)) if found else {}


class Kept:
    """What was computed lately, by what was asked. Over the limit the oldest goes first; what is larger never stays."""

    def __init__(self, budget: int = KEEP):
        self._budget = budget
        self._held: OrderedDict[Any, tuple[Any, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Any, make: Callable[[], Any], size: Callable[[Any], int]) -> Any:
        """What `make` made for this key, now or before. Two who ask at once may both make it."""
        with self._lock:
            if key in self._held:
                self._held.move_to_end(key)
                return self._held[key][0]
        made = make()
        n_bytes = size(made)
        if n_bytes > self._budget:
            return made
        with self._lock:
            self._held[key] = (made, n_bytes)
            self._held.move_to_end(key)
            while sum(n for _, n in self._held.values()) > self._budget:
                self._held.popitem(last=False)
        return made


@dataclass(frozen=True)
class Source:
    """The components on top of the tab, and the way from them to maps."""

    page: Page
    text: gr.Textbox
    pair: gr.Textbox
    complete: gr.Checkbox
    place: gr.Radio
    status: gr.HTML  # what is being done
    kept: Kept

    @property
    def inputs(self) -> set[gr.components.Component]:
        return {self.page.reference, self.text, self.pair, self.complete, self.place}

    def read(self, values: dict) -> Asked:
        """What the components stand on. Raises PlaygroundError when there is nothing to look at."""
        if not values[self.text].strip():
            raise PlaygroundError("There is no text to look at. Type some, or press an example.")
        reference = values[self.page.reference] or ""
        return Asked(reference, values[self.text], values[self.pair] or "", values[self.complete], values[self.place])

    def maps(self, asked: Asked, layer: int | None = None, stop: threading.Event | None = None):
        """The maps asked for; all layers, unless they are many bytes and one, `layer` or the nearest to it, is enough.

        Raises:
            PlaygroundError: as the lab.
        """
        from playground.labs.attention import maps as attention

        def make():
            with self.page.models.lease(asked.reference) as engine:
                return attention.attention(
                    engine,
                    asked.text,
                    asked.pair,
                    layers=asked.layers,
                    complete=asked.complete,
                    stop=stop,
                    **fitting(engine, asked).stack_and_kind,
                )

        if layer is not None:
            asked = self._thrifty(asked, layer)
        return self.kept.get(asked, make, lambda maps: maps.weights.nbytes)

    def _thrifty(self, asked: Asked, layer: int) -> Asked:
        """The same, or where all layers would be many bytes, the layer next to `layer` alone."""
        from playground.labs.attention import maps as attention

        with self.page.models.lease(asked.reference) as engine:
            n_tokens = sum(len(engine.tokenizer(t, verbose=False).input_ids) for t in (asked.text, asked.pair) if t)
            n_bytes = attention.estimate(engine, n_tokens, engine.anatomy.n_layers, engine.anatomy.n_heads or 1)
            if n_bytes <= ALL_AT_ONCE:
                return asked
            offered = layers_of(engine, asked)
        return replace(asked, layers=(nearest(layer, offered),))


def fitting(engine, asked: Asked) -> Asked:
    """The same, for a model that may lack the place: the visitor has changed models and the choice is a relic."""
    from playground.labs.attention import maps as attention

    offered = {PLACES.get(place) for place in attention.sites(engine)}
    return asked if asked.place in offered else replace(asked, place=None)


def layers_of(engine, asked: Asked) -> tuple[int, ...]:
    """The layers that have the attention asked for. Raises PlaygroundError when the model has none."""
    from playground.labs.attention import maps as attention

    return attention.sites(engine)[attention.place_of(engine, **fitting(engine, asked).stack_and_kind)]


def nearest(number: float, offered: tuple[int, ...]) -> int:
    return min(offered, key=lambda other: abs(other - number))


def shape(page: Page, reference: str) -> dict[str, Any] | None:
    """What a model offers, if it is in memory: places, layers, heads, kind. None: not known yet."""
    if page.models.status(reference).state != "ready":
        return None
    from playground.labs.attention import maps as attention

    with page.models.lease(reference) as engine:
        return {
            "kind": engine.anatomy.kind,
            "places": [PLACES[place] for place in attention.sites(engine) if place in PLACES],
            "layers": max((site.layer + 1 for site in engine.attention_sites), default=0),
            "heads": engine.anatomy.n_heads or 0,
        }


def second_box(page: Page, reference: str) -> str | None:
    """What the second box is for, with this model: "pair", "target" or None."""
    known = shape(page, reference)
    kind = known["kind"] if known else None
    if kind is None:
        entry = next((e for e in catalog() if e.reference == reference.partition("#")[0]), None)
        kind = {"embedding": "encoder"}.get(entry.kind, entry.kind) if entry else None
    return "pair" if kind in READS_PAIRS else "target" if kind == "seq2seq" else None
