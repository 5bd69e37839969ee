"""Attention maps as files: CSV, JSON and one HTML page that needs no network, and the Python that makes them again.

It does not know where files go.
"""

from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np

from playground.assets import ASSETS

if TYPE_CHECKING:  # the lab imports torch, which a page that is being laid out must not wait for
    from playground.labs.attention.maps import Maps

MOST_VALUES = 1_000_000  # weights in one file
_TEMPLATE = ASSETS / "attention.html"


def as_csv(maps: Maps) -> str:
    """A row a weight: layer and head (empty where they are means), who looks, who is looked at, the weight."""
    written = io.StringIO()
    table = csv.writer(written)
    table.writerow(("layer", "head", "query", "query_token", "key", "key_token", "weight"))
    for (layer, head, query, key), weight in np.ndenumerate(maps.weights):
        table.writerow(
            (
                maps.layers[layer] if maps.layers else "",
                maps.heads[head] if maps.heads else "",
                query,
                maps.queries.labels[query],
                key,
                maps.keys.labels[key],
                f"{weight:.6g}",
            )
        )
    return written.getvalue()


def as_json(maps: Maps) -> str:
    """All that the maps hold, with where they come from."""
    return json.dumps(_plain(maps, decimals=6), ensure_ascii=False, allow_nan=False, default=str)


def as_html(maps: Maps, title: str, layer: int = 0, head: int = 0) -> str:
    """One page with its data and a small script in it; opens on a layer and a head."""
    plain = _plain(maps, decimals=3)
    source = maps.provenance
    plain["about"] = (
        f"{title}, revision {source.revision}, in {source.dtype} on {source.device}. {' '.join(maps.remarks)} Each row "
        "is a token that looks, each column one that is looked at; bright is much attention."
    )
    layers, heads = maps.layers or ("mean",), maps.heads or ("mean",)
    plain |= {"layers": layers, "heads": heads}
    plain["opens_on"] = [layers.index(layer) if layer in layers else 0, heads.index(head) if head in heads else 0]
    data = json.dumps(plain, separators=(",", ":"), allow_nan=False, default=str).replace("<", "\\u003c")
    return _TEMPLATE.read_text("utf-8").replace("DATA", data, 1)


def _plain(maps: Maps, decimals: int) -> dict[str, object]:
    weights = maps.weights.astype(np.float64).round(decimals)
    return {
        "weights": weights.tolist(),
        "weights_axes": ["layer", "head", "query", "key"],
        "layers": list(maps.layers),
        "heads": list(maps.heads),
        "queries": list(maps.queries.labels),
        "keys": list(maps.keys.labels),
        "query_ids": list(maps.queries.ids),
        "key_ids": list(maps.keys.ids),
        "stack": maps.stack,
        "kind": maps.kind,
        "remarks": list(maps.remarks),
        "provenance": asdict(maps.provenance),
    }
