"""The parents of a recipe: their files opened, and whether they can be blended at all, said in sentences.

It does not load models.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from playground.errors import PlaygroundError
from playground.labs.merging.recipe import Recipe
from playground.models import sources
from playground.models.cache import ModelCache
from playground.models.progress import Report, part, quiet
from playground.models.weights import Tensors, Weights

# What must be the same, with its name in words; other entries of config.json say how a model is used, not what it is.
_WIDTHS = {
    "hidden_size": "the width of the residual stream",
    "n_embd": "the width of the residual stream",
    "num_hidden_layers": "the number of layers",
    "n_layer": "the number of layers",
    "num_attention_heads": "the number of heads",
    "n_head": "the number of heads",
    "num_key_value_heads": "the number of key and value heads",
    "intermediate_size": "the width of the MLP",
    "rope_parameters": "how positions are turned into angles",
    "hidden_act": "the activation function",
    "tie_word_embeddings": "whether embedding and unembedding share weights",
}


@dataclass(frozen=True)
class Mismatch:
    """Something that two parents do not share, and what can be done about it."""

    sentence: str
    fatal: bool  # a merge cannot be made, or would be noise


@dataclass(frozen=True)
class Compatibility:
    parents: tuple[str, ...]  # references
    architecture: str
    n_tensors: int  # that all have in one shape
    n_parameters: int
    mismatches: tuple[Mismatch, ...]

    @property
    def fits(self) -> bool:
        return not any(mismatch.fatal for mismatch in self.mismatches)


def opened(recipe: Recipe, models: ModelCache, report: Report = quiet) -> dict[str, Tensors]:
    """The weights of every model of a recipe by reference, fetched if need be; checked that they fit together.

    Raises:
        PlaygroundError: one cannot be had, or they do not fit; says why.
    """
    parents: dict[str, Tensors] = {}
    references = recipe.references
    for i, reference in enumerate(references):
        tell = part(report, i / len(references), (i + 1) / len(references))
        parsed = sources.parse(reference)
        if parsed.precision:
            raise PlaygroundError(
                f"Parents are read from their files, in the precision of these. Leave “#{parsed.precision}” out."
            )
        parents[reference] = Weights(sources.fetch(reference, models.settings, tell))
    found = compatibility(parents, recipe.union)
    if not found.fits:
        raise PlaygroundError(next(m.sentence for m in found.mismatches if m.fatal))
    return parents


def compatibility(parents: Mapping[str, Tensors], union: bool = False) -> Compatibility:
    """What all parents share with the first, and where they differ. `union`: vocabularies are going to be united."""
    (first_name, first), *others = parents.items()
    mismatches: list[Mismatch] = []
    shared = set(first.shapes)
    for name, other in others:
        mismatches += _between(first_name, first, name, other, union)
        shared &= {key for key, shape in other.shapes.items() if first.shapes.get(key) == shape}
    return Compatibility(
        tuple(parents),
        str(first.files.config.get("model_type")),
        len(shared),
        first.files.n_parameters,
        tuple(mismatches),
    )


def _between(a: str, first: Tensors, b: str, other: Tensors, union: bool) -> list[Mismatch]:
    ours, theirs = first.files.config, other.files.config
    if ours.get("model_type") != theirs.get("model_type"):
        return [
            Mismatch(
                f"{b} is a {theirs.get('model_type')} and {a} a {ours.get('model_type')}: weights of different "
                "architectures mean different things. Pick models of one architecture, or combine their answers as an "
                "ensemble.",
                True,
            )
        ]
    found = []
    for key, words in _WIDTHS.items():
        if key in ours and key in theirs and ours[key] != theirs[key]:
            fatal = key not in ("rope_parameters", "hidden_act", "tie_word_embeddings")
            found.append(
                Mismatch(
                    f"{words[0].upper()}{words[1:]} differs: {_short(ours[key])} in {a}, {_short(theirs[key])} in {b}. "
                    + ("Pick models of one size." if fatal else "The merge takes the first's; it may suffer."),
                    fatal,
                )
            )
    if any(mismatch.fatal for mismatch in found):
        return found
    rows = vocabulary_tensors(first)
    missing = sorted(set(first.shapes) ^ set(other.shapes))
    if missing:
        holder = a if missing[0] in first.shapes else b
        found.append(
            Mismatch(
                f"Only {holder} has the weights {missing[0]} ({len(missing)} such). Pick models that were saved by the "
                "same program from the same architecture.",
                True,
            )
        )
    for key in first.shapes:
        if key in other.shapes and first.shapes[key] != other.shapes[key] and not (union and key in rows):
            what = (
                f"The vocabularies have {first.shapes[key][0]:,} and {other.shapes[key][0]:,} rows. Switch on “unite "
                "vocabularies”: rows are then matched by their tokens."
                if key in rows
                else "Pick models of one size."
            )
            found.append(Mismatch(f"{key} is {first.shapes[key]} in {a} and {other.shapes[key]} in {b}. {what}", True))
            break
    same_folder = first.files.folder == other.files.folder
    mine, its = (None, None) if union or same_folder else (_tokens(first), _tokens(other))
    if mine and its and mine != its:
        n = sum(mine.get(token) != place for token, place in its.items())
        found.append(
            Mismatch(
                f"{n:,} tokens of {b} stand at other rows than in {a}, or only there: their embeddings would be "
                "blended with those of other tokens. Switch on “unite vocabularies”.",
                n > 0.01 * len(mine),
            )
        )
    return found


def vocabulary_tensors(weights: Tensors) -> frozenset[str]:
    """Names of the tensors that have a row for each token: embedding and unembedding."""
    n = weights.files.config.get("vocab_size")
    names = (
        "embed_tokens",
        "lm_head",
        "wte",
        "word_embeddings",
        "embed_in",
        "embed_out",
        "decoder.weight",
        "decoder.bias",
    )
    return frozenset(
        key for key, shape in weights.shapes.items() if shape and shape[0] == n and any(name in key for name in names)
    )


def _tokens(weights: Tensors) -> dict[str, int] | None:
    """Token -> row, by tokenizer.json; None where there is none."""
    try:
        plain = json.loads((weights.files.folder / "tokenizer.json").read_text("utf-8"))
        vocabulary = plain["model"]["vocab"]
        found = dict(vocabulary) if isinstance(vocabulary, dict) else {row[0]: i for i, row in enumerate(vocabulary)}
        return found | {token["content"]: token["id"] for token in plain.get("added_tokens", ())}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def tokens(weights: Tensors) -> dict[str, int]:
    """Token -> row.

    Raises:
        PlaygroundError: the model has no tokenizer.json.
    """
    found = _tokens(weights)
    if found is None:
        raise PlaygroundError(
            f"{weights.files.reference} has no tokenizer.json, so that its tokens have no names to go by. Save its "
            "tokenizer with a newer transformers first."
        )
    return found


def _short(value: object) -> str:
    text = json.dumps(value) if isinstance(value, Mapping | Sequence) and not isinstance(value, str) else str(value)
    return text if len(text) <= 60 else text[:57] + "…"
