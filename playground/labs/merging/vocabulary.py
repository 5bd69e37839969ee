"""Parents with different vocabularies: every token of any of them gets a row, and rows are matched by their tokens.

The first parent's rows stay where they are; tokens that only others have come after them. A parent that lacks a token
is given the row of the first one that has it, so that blending leaves it as it is. The united first parent is written
to a folder once (config, tokenizer, rows), and everything else treats it as any model. It does not know recipes.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from playground.errors import PlaygroundError
from playground.labs.merging import safetensors_file
from playground.labs.merging.parents import tokens, vocabulary_tensors
from playground.models import disk, sources
from playground.models.cache import ModelCache
from playground.models.progress import Report
from playground.models.weights import Tensors, Weights


class Aligned:
    """A parent's weights with the rows of embedding and unembedding in the order of a united vocabulary."""

    def __init__(self, weights: Tensors, union: list[str], vocabularies: list[tuple[Tensors, dict[str, int]]]) -> None:
        """
        Args:
            union: the token of each row.
            vocabularies: of all parents, in the order in which they are asked for a row that this one lacks.
        """
        self.files, self._weights = weights.files, weights
        self._by_row = vocabulary_tensors(weights)
        self.shapes = {
            name: (len(union), *shape[1:]) if name in self._by_row else shape for name, shape in weights.shapes.items()
        }
        own = next(vocabulary for other, vocabulary in vocabularies if other is weights)
        order = [(weights, own), *(pair for pair in vocabularies if pair[0] is not weights)]
        self._rows: list[tuple[Tensors, Tensor, Tensor]] = []  # (whose, rows here, rows there)
        left = dict(enumerate(union))
        for other, vocabulary in order:
            held = {row: vocabulary[token] for row, token in left.items() if token in vocabulary}
            left = {row: token for row, token in left.items() if row not in held}
            if held:
                self._rows.append((other, torch.tensor(list(held)), torch.tensor(list(held.values()))))

    @property
    def adapted(self) -> frozenset[str]:
        """Names of the tensors that are not as the file has them."""
        return self._weights.adapted | frozenset(self._by_row)

    def dtype(self, name: str) -> torch.dtype:
        return self._weights.dtype(name)

    def read(self, name: str) -> Tensor:
        """As `Weights.read`, with united rows."""
        mine = self._weights.read(name)
        if name not in self._by_row:
            return mine
        united = mine.new_zeros(self.shapes[name])
        for other, here, there in self._rows:
            source = mine if other is self._weights else other.read(name)
            united[here] = source[there].to(united.dtype)
        return united


def differ(parents: Mapping[str, Tensors]) -> bool:
    """Whether the parents' tokens stand at different rows."""
    first, *others = parents.values()
    return any(tokens(first) != tokens(other) for other in others if other.files.folder != first.files.folder)


def unite(parents: Mapping[str, Tensors], skeleton: str, models: ModelCache, report: Report) -> dict[str, Tensors]:
    """The parents with one vocabulary; the one called `skeleton` has been written to a folder with it.

    Raises:
        PlaygroundError: a tokenizer cannot be read, or folders of this machine may not be used.
    """
    if not models.settings.may_read_local_paths:
        raise PlaygroundError(
            "To unite vocabularies a new tokenizer is written to this machine's disk, which this page may not read "
            "back. Pick parents with one vocabulary."
        )
    order = [parents[skeleton], *(weights for name, weights in parents.items() if name != skeleton)]
    vocabularies = [(weights, tokens(weights)) for weights in order]
    first = vocabularies[0][1]
    n_rows = max(order[0].files.config.get("vocab_size", 0), max(first.values()) + 1)
    union = {row: token for token, row in first.items()}
    union |= {row: f"\0unused {row}" for row in range(n_rows) if row not in union}  # rows without a token
    known = set(first)
    added: dict[str, tuple[int, Tensors]] = {}
    for weights, vocabulary in vocabularies[1:]:
        for token in sorted(vocabulary, key=vocabulary.__getitem__):
            if token not in known:
                known.add(token)
                added[token] = (len(union), weights)
                union[len(union)] = token
    listed = [union[row] for row in range(len(union))]
    own = vocabularies[0][1] | {union[row]: row for row in range(n_rows)}
    vocabularies[0] = (order[0], own)
    aligned = {name: Aligned(weights, listed, vocabularies) for name, weights in parents.items()}
    prints = "+".join(weights.files.revision for weights in order)
    folder = models.settings.cache_dir / "unions" / hashlib.sha256(prints.encode()).hexdigest()[:16]

    def build(aside: Path) -> None:
        safetensors_file.copy_beside(order[0].files.folder, aside)
        (aside / "tokenizer.json").write_text(json.dumps(_tokenizer(order[0], added), ensure_ascii=False), "utf-8")
        config = order[0].files.config | {"vocab_size": len(listed)}
        (aside / "config.json").write_text(json.dumps(config, indent=2), "utf-8")
        united = aligned[skeleton]
        largest = max(united.shapes, key=lambda name: united.shapes[name][0])
        dtype = united.dtype(largest)
        with (aside / "model.safetensors").open("wb") as out:
            out.write(safetensors_file.header(united.shapes, dtype))
            for name in united.shapes:
                out.write(safetensors_file.as_bytes(united.read(name).to(dtype)))

    disk.build_once(folder, build, {"united": [w.files.reference for w in order]}, "the united vocabulary", report)
    base = Weights(sources.fetch(str(folder), models.settings, report))
    return {name: base if name == skeleton else weights for name, weights in aligned.items()}


def _tokenizer(first: Tensors, added: Mapping[str, tuple[int, Tensors]]) -> dict[str, Any]:
    """The first parent's tokenizer.json with the tokens of others: added ones as such, ordinary ones with merges."""
    plain = json.loads((first.files.folder / "tokenizer.json").read_text("utf-8"))
    theirs = {
        id(weights): json.loads((weights.files.folder / "tokenizer.json").read_text("utf-8"))
        for _, weights in added.values()
    }
    for token, (row, weights) in added.items():
        entry = next((t for t in theirs[id(weights)].get("added_tokens", ()) if t["content"] == token), None)
        if entry is not None:
            plain.setdefault("added_tokens", []).append(entry | {"id": row})
        elif isinstance(plain["model"]["vocab"], dict):
            plain["model"]["vocab"][token] = row
        else:
            raise PlaygroundError(
                f"The tokenizer of {first.files.reference} ({plain['model'].get('type')}) ranks its tokens, so that "
                "none can be added. Pick parents with one vocabulary."
            )
    if isinstance(plain["model"].get("merges"), list):
        vocabulary, known = plain["model"]["vocab"], {json.dumps(merge) for merge in plain["model"]["merges"]}
        for other in theirs.values():
            for merge in other["model"].get("merges") or ():
                pieces = merge if isinstance(merge, list) else merge.split(" ")
                if json.dumps(merge) not in known and all(p in vocabulary for p in (*pieces, "".join(pieces))):
                    plain["model"]["merges"].append(merge)
                    known.add(json.dumps(merge))
    return plain
