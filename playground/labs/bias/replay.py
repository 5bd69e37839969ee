"""The numbers of a result with transformers alone: Python that anybody can run without Playground.

Each script leaves `bias.json`. It puts pieces of `plain_code` together and does not run them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pprint import pformat
from typing import Any

from playground.engine.engine import Engine
from playground.engine.steps import end_ids
from playground.errors import PlaygroundError
from playground.labs import published
from playground.labs.attention.replay import AUTO
from playground.labs.bias import fill, grid
from playground.labs.bias import plain_code as code
from playground.labs.bias.associations import Axis, Weat
from playground.labs.bias.continuations import Written
from playground.labs.bias.edits import Directions
from playground.labs.bias.fill import Filled
from playground.labs.bias.grid import Grid
from playground.labs.bias.measure import Measured
from playground.labs.bias.pairs import Pair, filled

MOST = 400_000  # characters of a script


def of_fill(engine: Engine, found: Filled) -> str:
    """{word: log-probability} of the words that were listed.

    All of these raise PlaygroundError where transformers alone has no such model.
    """
    left, right = fill.around(found.text, getattr(engine.tokenizer, "mask_token", None))
    words = [word.text for word in found.words]
    if found.kind != "masked":
        result = "{word: float(sentence(left + word + right).sum()) for word in words}"
        return _script(engine, code.SENTENCE, {"left": left, "right": right, "words": words}, result)
    if found.given:
        result = "{word: word_logprob(left, right, word) for word in words}"
        return _script(engine, code.BLANK, {"left": left, "right": right, "words": words}, result)
    ids = fill.masked_row(engine, left, right)
    result = (
        "{tokenizer.decode([i]).strip(): value for value, i in zip(*(one.tolist() for one in best))}"  # the model's own
    )
    middle = (
        f"ids = {list(ids.ids)}  # {found.text!r}\n"
        f"best = model(input_ids=torch.tensor([ids])).logits[0, {ids.places[0]}].float().log_softmax(-1)"
        f".topk({len(words)})\n"
    )
    return _script(engine, "", {}, result, middle)


def of_grid(engine: Engine, found: Grid) -> str:
    """raw and prior, [template][word], of the templates and then of their swapped copies."""
    templates = [*found.templates, *(copy.text for copy in found.copies)]
    names = {"first": found.first, "second": found.second}
    if engine.anatomy.kind == "masked":
        cells = [[fill.around(filled(text, word)) for word in found.words] for text in templates]
        hidden = [[grid.hidden(engine, text, word, found.first) for word in found.words] for text in templates]
        block = code.BLANK + _GAP.format(gap="word_logprob(left, right, a) - word_logprob(left, right, b)")
        result = '{"raw": gaps(cells), "prior": gaps(hidden)}'
        return _script(engine, block, names | {"cells": cells, "hidden": hidden}, result)
    words = [*found.words, found.neutral.strip()]
    cells = [[fill.around(filled(text, word)) for word in words] for text in templates]
    both = "sentence(left + a + right).sum() - sentence(left + b + right).sum()"
    block = code.SENTENCE + _GAP.format(gap=f"float({both})")
    result = '{"raw": [row[:-1] for row in found], "prior": [[row[-1]] * (len(row) - 1) for row in found]}'
    return _script(
        engine, block, names | {"cells": cells}, result, "found = gaps(cells)  # the last is the neutral word\n"
    )


_GAP = '''

def gaps(cells):
    """Of each text: how much more probable the first word is in its blank than the second."""
    rows = []
    for row in cells:
        rows.append([])
        for left, right in row:
            a, b = (word if left.strip() else word[:1].upper() + word[1:] for word in (first, second))
            rows[-1].append({gap})
    return rows
'''


def of_pairs(engine: Engine, found: Measured) -> str:
    """[score of the first, of the second] of every pair that was scored."""
    kind = engine.anatomy.kind
    values = {"pairs": [(found.pairs[i].first, found.pairs[i].second) for i in sorted(found.scored)]}
    return _script(engine, _scoring(found.dialect, kind), values, "[score(*pair) for pair in pairs]")


def _scoring(dialect: str, kind: str) -> str:
    before = code.TOKENS + code.ALIGNED if kind == "masked" else code.SENTENCE
    return before + code.SCORES[dialect, kind]


def of_weat(engine: Engine, found: Weat) -> str:
    """effect, the association s of each word of X and Y, and p where it is over all partitions."""
    last = code.WEAT.format(ddof=found.found.ddof, exact=found.found.exact)
    values = {"sets": [list(words) for words in found.words]}
    return _script(engine, _vectors(engine, found.layer, found.template), values, "", last)


def of_axis(engine: Engine, found: Axis) -> str:
    """places, {occupation: cosine}, and r."""
    block = _vectors(engine, found.layer, found.provenance.settings["template"])
    women = {one.name: one.women for one in found.occupations}
    values = {"first": list(found.first), "second": list(found.second), "women": women}
    return _script(engine, block, values, "", code.AXIS)


def _vectors(engine: Engine, layer: int | None, template: str) -> str:
    if layer is None:
        return code.WORDS
    block = code.SENTENCES.format(template=template, block=block_name(engine, layer))
    return code.LAYER.format(causal=engine.anatomy.kind == "causal") + block


def block_name(engine: Engine, layer: int) -> str:
    """How the model itself calls a block, like "model.layers.3"."""
    block = engine.anatomy.main.blocks[layer]
    return next(name for name, module in engine.model.named_modules() if module is block)


def of_generation(engine: Engine, found: Written) -> str:
    """The texts, in the order of the prompts, groups and seeds."""
    made = found.provenance.settings
    if made["temperature"] == 0:
        raise PlaygroundError("The script is for texts that were drawn: raise the temperature.")
    plain = "tokenizer(text).input_ids"
    chat = (
        'tokenizer(tokenizer.apply_chat_template([{"role": "user", "content": text}], tokenize=False, '
        "add_generation_prompt=True), add_special_tokens=False).input_ids"
    )
    block = code.WRITE.format(
        tokens=made["max_new_tokens"],
        top_k=made["top_k"] or engine.anatomy.vocabulary_size,
        top_p=made["top_p"],
        temperature=made["temperature"],
        ends=sorted(end_ids(engine)),
        prompt=chat if made["as_chat"] else plain,
    )
    asked = sorted((one.template, found.groups.index(one.group), one.seed, one.prompt) for one in found.texts)
    values = {"asked": [(prompt, seed) for *_, seed, prompt in asked]}
    return _script(engine, block, values, "[write(text, seed) for text, seed in asked]")


def of_change(
    engine: Engine, pairs: Sequence[Pair], dialect: str, texts: Sequence[str], change: Mapping[str, Any]
) -> str:
    """Scores and perplexity, "before" and "after".

    change: {"directions": Directions, "strength": float, "steer": bool}, or {"instruction": str, "decay": float}.
    """
    kind = engine.anatomy.kind
    values = {"pairs": [(pair.first, pair.second) for pair in pairs], "texts": list(texts)}
    block = _scoring(dialect, kind) + code.PERPLEXITY[kind] + code.MEASURED
    middle = 'result = {"before": measured()}\n'
    if "instruction" in change:
        values |= {"instruction": str(change["instruction"]).strip(), "decay": change["decay"]}
        middle += f'{code.ARGUED[kind]}\n\nresult["after"] = measured()\n'
    else:
        found: Directions = change["directions"]
        made = found.provenance.settings
        blocks = [block_name(engine, layer) for layer in sorted(found.bases)]
        values |= {"one_set": made["first"], "other_set": made["second"], "blocks": blocks}
        block += code.LAYER.format(causal=kind == "causal") + code.DIRECTIONS
        asked = f"{change['strength']}, {change['steer']}, {found.method!r}, {made['directions']}"
        middle += f'hooks = changed({asked})\nresult["after"] = measured()\nfor hook in hooks:\n    hook.remove()\n'
    return _script(engine, block, values, "", middle)


@dataclass(frozen=True)
class Source:
    """How a model is loaded, without holding it. `refused`: why transformers alone does not."""

    kind: str
    load: str
    refused: str = ""


def source(engine: Engine) -> Source:
    try:
        _check(engine)
        return Source(engine.anatomy.kind, _load(engine))
    except PlaygroundError as error:
        return Source(engine.anatomy.kind, "", str(error))


def of_other(one: Source, other: Source, pairs: Sequence[Pair], dialect: str, texts: Sequence[str]) -> str:
    """As `of_change`, with another model of the same kind in the place of the first."""
    if one.refused or other.refused:
        raise PlaygroundError(one.refused or other.refused)
    values = {"pairs": [(pair.first, pair.second) for pair in pairs], "texts": list(texts)}
    block = _scoring(dialect, one.kind) + code.PERPLEXITY[one.kind] + code.MEASURED
    again = "" if one.kind == "masked" else _START
    middle = f'result = {{"before": measured()}}\n{other.load}{again}result["after"] = measured()\n'
    return _put_together(one.kind, one.load, block, values, middle)


_START = "start = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id\n"


def _script(engine: Engine, block: str, values: Mapping[str, object], result: str = "", middle: str = "") -> str:
    _check(engine)
    last = f"result = {result}\n" if result else ""
    return _put_together(engine.anatomy.kind, _load(engine), block, values, middle + last)


def _put_together(kind: str, load: str, block: str, values: Mapping[str, object], rest: str) -> str:
    given = "".join(f"{name} = {pformat(value, width=118, sort_dicts=False)}\n" for name, value in values.items())
    made = f"{code.HEAD.format(auto=AUTO[kind])}{load}{block}\n\n{given}{rest}{code.END.lstrip()}"
    if len(made) > MOST:
        raise PlaygroundError("The script would hold too many texts. Take fewer, and it comes.")
    return made


def _check(engine: Engine) -> None:
    if engine.precision == "int8":
        raise PlaygroundError("int8 weights are Playground's own. Choose another precision, and take the script then.")


def _load(engine: Engine) -> str:
    place = published.of(engine.reference, engine.revision)
    named = place.line("source")
    return code.LOAD.format(auto=AUTO[engine.anatomy.kind], named=named, at=place.at, dtype=engine.precision)
