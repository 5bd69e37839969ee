"""BertViz's head view, model view and neuron view as documents that need no network and can touch nothing of the page.

Each is a whole HTML document inside a sandboxed frame: BertViz's own JavaScript, d3 and jQuery written into it, and a
content policy under which nothing can be fetched. It does not know how attention is computed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from html import escape
from importlib.resources import files
from typing import Any

import numpy as np

from playground.assets import ASSETS
from playground.errors import PlaygroundError
from playground.views.attention.frames import POLICY, TELL_HEIGHT, frame
from playground.views.quantities import size

VENDOR = ASSETS / "vendor"
LIMIT = 3_000_000  # bytes of one frame
_LIBRARIES = 500_000  # of these, what d3, jQuery and BertViz take
_A_VALUE = 6  # bytes of a weight: three decimals and a comma
_AN_ELEMENT = 8  # of an element of a query or a key, which has a sign and may have two digits before the point
_LINES = 80_000  # in the model view; a browser draws so many in about a second

# BertViz asks require.js for its libraries; here they are there already.
_LOADER = "window.require={config(){}};window.requirejs=(names,run)=>run(window.jQuery,window.d3);"
_STYLE = (
    "body{margin:0;padding:8px;background:#fff;color:#111;overflow-x:auto;"
    "font:14px system-ui,sans-serif}select{font:inherit;padding:2px 6px}"
)


@dataclass(frozen=True)
class Tower:
    """Attention of one kind: self-attention of a stack, or cross-attention."""

    weights: np.ndarray  # (layer, head, query, key)
    queries: Sequence[str]  # labels, (query,)
    keys: Sequence[str]  # labels, (key,)
    layers: Sequence[int]  # the numbers of the layers in `weights`
    cross: bool = False  # queries and keys are of two texts
    second: int | None = None  # where the second sentence of a pair begins


@dataclass(frozen=True)
class Frame:
    html: str  # the frame, safe to put into a page
    shown: tuple[int, ...]  # numbers of the layers in it
    left_out: str  # a sentence on what was left out; empty: nothing


def head_view(tower: Tower, layer: int) -> Frame:
    """Lines from each token to those it attends to, one colour a head; opens on `layer`.

    Raises:
        PlaygroundError: even one layer of so many tokens is too much.
    """
    part = _within(tower, layer, copies=1 if tower.second is None else 2)
    from bertviz import head_view as view  # heavy: imports IPython

    drawn = view(**_arguments(part), layer=list(part.layers).index(layer), prettify_tokens=False, html_action="return")
    return Frame(
        _framed(_numbered(drawn.data, part, layer), "BertViz head view"), tuple(part.layers), _left_out(tower, part)
    )


def model_view(tower: Tower, layer: int) -> Frame:
    """A thumbnail of every head of every layer; a click enlarges one. Among many layers, those around `layer`.

    Raises:
        PlaygroundError: even one layer of so many tokens is too much.
    """
    a_layer = int(np.prod(tower.weights.shape[1:]))
    part = _within(replace(tower, second=None), layer, most=max(_LINES // a_layer, 1))
    from bertviz import model_view as view

    drawn = view(**_arguments(part), display_mode="light", prettify_tokens=False, html_action="return")
    return Frame(_framed(_numbered(drawn.data, part), "BertViz model view"), tuple(part.layers), _left_out(tower, part))


def neuron_view(
    weights: np.ndarray,  # (head, query, key)
    queries: np.ndarray,  # (head, query, head_dim), scaled so that softmax(q·k / sqrt(head_dim)) gives the weights
    keys: np.ndarray,  # (head, key, head_dim)
    looking: Sequence[str],
    looked_at: Sequence[str],
    layer: int,
    head: int,
    causal: bool,
) -> Frame:
    """Query and key of every token of one layer, number by number; opens on `head`.

    Raises:
        PlaygroundError: so many tokens are too much.
    """
    heads = list(range(len(weights)))
    a_head = (_A_VALUE * weights.size + _AN_ELEMENT * (queries.size + keys.size)) // len(heads)
    fitting = (LIMIT - _LIBRARIES) // a_head
    if fitting < 1:
        a_token = _A_VALUE * len(looked_at) + 2 * _AN_ELEMENT * queries.shape[-1]
        _refuse(len(looked_at), (LIMIT - _LIBRARIES) // a_token)
    kept = sorted(sorted(heads, key=lambda other: abs(other - head))[:fitting])
    everything = {
        "left_text": list(looking),
        "right_text": list(looked_at),
        "attn": [_rounded(weights[kept])],
        "queries": [_rounded(queries[kept])],
        "keys": [_rounded(keys[kept])],
    }
    given = {
        "attention": {"all": everything},
        "default_filter": "all",
        "root_div_id": "bertviz-neurons",
        "bidirectional": not causal,
        "display_mode": "light",
        "layer": 0,
        "head": kept.index(head),
    }
    script = (files("bertviz") / "neuron_view.js").read_text("utf-8")
    numbers = f"for(const o of document.querySelectorAll('#att_head option'))o.text={json.dumps(kept)}[o.value];"
    body = (
        f'<div id="bertviz-neurons"><label>Layer {layer}, head: <select id="att_head" aria-label="Head"></select>'
        '</label><div id="vis"></div></div>'
        f"<script>window.bertviz_params={_json(given)};</script><script>{script}</script><script>{numbers}</script>"
    )
    left_out = "" if len(kept) == len(heads) else f"Shown: head{_list(kept)}, so that the view stays quick."
    return Frame(_framed(body, "BertViz neuron view"), (layer,), left_out)


def _within(tower: Tower, layer: int, most: int = 10**9, copies: int = 1) -> Tower:
    """The tower with as many layers as the limit allows, `layer` and its neighbours among them."""
    a_layer = int(np.prod(tower.weights.shape[1:]))
    fitting = min((LIMIT - _LIBRARIES) // (_A_VALUE * a_layer * copies), most)
    if fitting < 1:
        n_heads = tower.weights.shape[1]
        _refuse(len(tower.queries), int(((LIMIT - _LIBRARIES) / (_A_VALUE * n_heads * copies)) ** 0.5))
    layers = list(tower.layers)
    at = layers.index(layer)
    first = min(max(at - (fitting - 1) // 2, 0), max(len(layers) - fitting, 0))
    chosen = slice(first, first + fitting)
    return replace(tower, weights=tower.weights[chosen], layers=layers[chosen])


def _refuse(n_tokens: int, fitting: int) -> None:
    raise PlaygroundError(
        f"BertViz would need more than {size(LIMIT)} for {n_tokens:,} tokens, which makes a browser slow. Shorten the "
        f"text to {fitting:,} tokens, or look at it under Map, which has room for it."
    )


def _left_out(whole: Tower, part: Tower) -> str:
    if len(part.layers) == len(whole.layers):
        return ""
    shown = f"{part.layers[0]} to {part.layers[-1]}" if len(part.layers) > 1 else str(part.layers[0])
    return (
        f"Shown: layer{'s' if len(part.layers) > 1 else ''} {shown} of {len(whole.layers)}, so that the view stays "
        "quick. Choose another layer above to see those around it, or shorten the text."
    )


def _list(numbers: Sequence[int]) -> str:
    return f" {numbers[0]}" if len(numbers) == 1 else f"s {numbers[0]} to {numbers[-1]}"


def _arguments(tower: Tower) -> dict[str, object]:
    """The tower as BertViz takes it."""
    import torch

    # As double precision: a rounded float32 would be written with all its digits.
    weights = [torch.from_numpy(layer.astype(np.float64).round(3))[None] for layer in tower.weights]
    if tower.cross:
        return {
            "cross_attention": weights,
            "decoder_tokens": list(tower.queries),
            "encoder_tokens": list(tower.keys),
        }
    pair = {} if tower.second is None else {"sentence_b_start": tower.second}
    return {"attention": weights, "tokens": list(tower.queries), **pair}


def _rounded(values: np.ndarray) -> list[Any]:
    return values.astype(np.float64).round(3).tolist()


def _framed(body: str, title: str) -> str:
    """The frame around what BertViz wrote; nothing in it refers to another machine."""
    body = re.sub(r'<script src="[^"]*"></script>', "", body)
    body = re.sub(r"require\.config\(\{.*?\n\}\);", "", body, flags=re.DOTALL)
    libraries = "".join(f"<script>{text}</script>" for text in (*_libraries(), _LOADER))
    document = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}"><style>{_STYLE}</style>{libraries}</head>'
        f"<body>{body}<script>{TELL_HEIGHT}</script></body></html>"
    )
    return frame(document, title)


def _numbered(body: str, tower: Tower, layer: int | None = None) -> str:
    """What BertViz wrote, with the model's numbers of the layers, and its data once: it writes them into a comment too.

    The data are written anew so that no token can end the script that they stand in.
    """
    mark = "const params = "
    start = body.index(mark) + len(mark)
    params, end = json.JSONDecoder().raw_decode(body, start)
    params["include_layers"] = list(tower.layers)
    if layer is not None:
        params["layer"] = layer
    return body[:start] + _json(params) + ";" + body[body.index("\n", end) :]


def _json(value: object) -> str:
    """JSON that can stand inside a script."""
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")


@cache
def _libraries() -> tuple[str, ...]:
    names = ("jquery-3.7.1.min.js", "d3-5.7.0.min.js")
    return tuple((VENDOR / name).read_text("utf-8") for name in names)
