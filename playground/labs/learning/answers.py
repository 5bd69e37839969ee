"""The answers to the exercises: nothing is known beforehand, each is what a model does just now, through the tab's lab.

An exercise of assets/learn names one of `ANSWERS`. It gives the key of the choice that is right and the facts that the
sentence behind the question is filled with. It does not know the words of question, choices or sentence.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import torch

from playground.assets import ASSETS
from playground.engine import embed, score
from playground.engine.adapters import Attached
from playground.engine.engine import Engine
from playground.engine.sampling import Sampling
from playground.engine.tap import Tap, open_tap
from playground.errors import PlaygroundError
from playground.labs.adapters import catalogue
from playground.labs.attention import heads as head_lab
from playground.labs.attention import maps
from playground.labs.bias import data as bias_data
from playground.labs.bias import pairs, scoring
from playground.labs.chat import next_tokens as tokens_lab
from playground.labs.chat import replies
from playground.labs.internals import contrasts, patching
from playground.labs.internals import lens as lens_lab
from playground.labs.prompting import labels, library, prompts
from playground.labs.retrieval import indexing, search, shipped
from playground.labs.retrieval import library as collections
from playground.models.cache import ModelCache
from playground.settings import Settings

CAPITAL = "The capital of France is"
CAT = "The cat sat on the mat because it was comfortable"
REVIEW = "We left before the dessert and will not come back."
NOTHING = "N/A"
MIXED = "starter:smollm2-135m-instruct"  # what the adapters that ship were trained on
N_HELD_OUT = 4  # answers of each adapter's held-out rows that are scored
KEPT = 0.5  # share of what a specialist gained, from which on its skill counts as kept


@dataclass(frozen=True)
class Asked:
    """What an answer may use."""

    models: ModelCache
    settings: Settings
    reference: str  # the model in use


@dataclass(frozen=True)
class Answer:
    choice: str  # the key of the right choice
    facts: Mapping[str, str]  # ready to print
    model: str  # the reference of what gave it


Found = tuple[str, dict[str, str], str]  # choice, facts, reference


@dataclass(frozen=True)
class Question:
    """How an answer is found, and which ones there can be."""

    find: Callable[[Asked], Found]
    choices: tuple[str, ...]  # keys; whatever a model does, it is one of them


def answer(name: str, asked: Asked) -> Answer:
    """Lets the model answer an exercise.

    Raises:
        PlaygroundError: there is no such exercise; the model in use cannot do what is asked, or cannot be had.
    """
    if name not in ANSWERS:
        raise PlaygroundError(f"There is no exercise “{name}”. There are: {', '.join(ANSWERS)}.")
    choice, facts, model = ANSWERS[name].find(asked)
    return Answer(choice, MappingProxyType(facts), model)


def _which(first: bool, second: bool, one: str, other: str) -> str:
    """The name of what is so: "both", "neither", or one of the two."""
    return "both" if first and second else one if first else other if second else "neither"


# Chat


def next_token(asked: Asked) -> Found:
    """The most probable token after the text, as the model gives it."""
    with asked.models.lease(asked.reference) as engine:
        found = tokens_lab.next_tokens(engine, CAPITAL, Sampling(temperature=1.0), k=2)
    words = [text.strip().lower() for text in found.texts]
    choice = words[0] if words[0] in ("paris", "the", "a") else "else"
    first, second = found.probabilities[0]
    facts = {"token": found.texts[0], "p": _percent(first), "second": found.texts[1], "p2": _percent(second)}
    return choice, facts, asked.reference


def temperature(asked: Asked) -> Found:
    """What a temperature of 2 does to the five most probable tokens."""
    with asked.models.lease(asked.reference) as engine:
        cold, hot = (
            tokens_lab.next_tokens(engine, CAPITAL, Sampling(temperature=degrees, top_p=1.0, top_k=0), k=5)
            for degrees in (1.0, 2.0)
        )
    before, after = (found.probabilities[-1] for found in (cold, hot))
    same_order = list(cold.ids) == list(hot.ids) and bool((np.diff(after) <= 0).all())
    choice = ("flatter" if after[0] < before[0] else "sharper") if same_order else "order"
    first = {"token": cold.texts[0], "before": _percent(before[0]), "after": _percent(after[0])}
    fifth = {"fifth": cold.texts[4], "fifth_before": _percent(before[4]), "fifth_after": _percent(after[4])}
    return choice, first | fifth, asked.reference


# Prompt lab


def few_shot(asked: Asked) -> Found:
    """The label of one sentence without examples and with four."""
    with asked.models.lease(asked.reference) as engine:
        with_examples, without = (_sentiment(engine, prompt, [REVIEW])[0] for prompt in _sentiment_prompts())
    choice = _which(without["negative"] > 0.5, with_examples["negative"] > 0.5, "zero", "few")
    return (
        choice,
        {
            "zero": _percent(without["negative"]),
            "few": _percent(with_examples["negative"]),
        },
        asked.reference,
    )


def says_nothing(asked: Asked) -> Found:
    """The label of "N/A", with no examples: what the prompt alone says."""
    with asked.models.lease(asked.reference) as engine:
        positive = _sentiment(engine, _sentiment_prompts()[1], [NOTHING])[0]["positive"]
    choice = "positive" if positive > 0.6 else "negative" if positive < 0.4 else "even"
    return choice, {"positive": _percent(positive), "negative": _percent(1 - positive)}, asked.reference


def _sentiment_prompts() -> Sequence[prompts.Prompt]:
    """The tab's own example: with four labelled sentences, and without."""
    return next(worked for worked in library.worked() if worked.name == "sentiment").prompts


def _sentiment(engine: Engine, prompt: prompts.Prompt, texts: Sequence[str]) -> list[dict[str, float]]:
    asked = [prompts.rendered(prompt, {"text": text}) for text in texts]
    found = sorted(labels.label(engine, asked, ["positive", "negative"]), key=lambda one: one.row)
    if trouble := next((one.error for one in found if one.error), ""):
        raise PlaygroundError(trouble)
    return [dict(zip(one.choices, one.probabilities().tolist(), strict=True)) for one in found]


# Attention


def it_looks_at(asked: Asked) -> Found:
    """Where "it" looks, averaged over all heads of all layers."""
    with asked.models.lease(asked.reference) as engine:
        seen = maps.attention(engine, CAT)
    names = [label.strip(" Ġ▁·").lower() for label in seen.keys.labels]
    if not {"it", "mat"} <= set(names):
        raise PlaygroundError("This model cuts “it” or “mat” into pieces. Pick one that reads English words.")
    row = seen.weights.mean((0, 1))[names.index("it")]
    top = int(row.argmax())
    choice = "first" if top == 0 else names[top] if names[top] in ("it", "mat") else "else"
    return (
        choice,
        {
            "token": seen.keys.labels[top],
            "share": _percent(row[top]),
            "mat": _percent(row[names.index("mat")]),
            "heads": str(seen.n_layers * seen.n_heads),
        },
        asked.reference,
    )


def previous_token(asked: Asked) -> Found:
    """In which third of the layers the head is that looks most at the token before."""
    with asked.models.lease(asked.reference) as engine:
        found = head_lab.heads(engine, CAT)
    at = [pattern.name for pattern in found.patterns].index("previous token")
    scores = found.scores[at]
    layer, head = (int(place) for place in np.unravel_index(scores.argmax(), scores.shape))
    return (
        _third(layer, scores.shape[0]),
        {
            "layer": str(found.layers[layer]),
            "last": str(found.layers[-1]),
            "head": str(found.heads[head]),
            "share": _percent(scores[layer, head]),
            "mean": _percent(scores.mean()),
        },
        asked.reference,
    )


# Internals


def answer_appears(asked: Asked) -> Found:
    """From which layer on the lens reads the model's own answer and nothing else."""
    with asked.models.lease(asked.reference) as engine:
        seen = lens_lab.lens(engine, CAPITAL, k=1)
    ranks = seen.final_ranks[:, list(seen.positions).index(seen.answer_position)]
    wrong = np.flatnonzero(ranks > 0)
    row = int(wrong[-1]) + 1 if len(wrong) else 0
    n_layers = len(seen.layers) - 1  # the first row is what goes into the first layer
    return (
        _third(max(row - 1, 0), n_layers),
        {
            "token": seen.top_texts[-1][-1][0],
            "layer": seen.layers[row],
            "last": seen.layers[-1],
            "p": _percent(seen.final_probabilities[-1, -1]),
        },
        asked.reference,
    )


def patch_country(asked: Asked) -> Found:
    """What a patch at the country's token does early and late."""
    with asked.models.lease(asked.reference) as engine:
        two = contrasts.contrast(engine, CAPITAL, CAPITAL.replace("France", "Italy"), "Paris", "Rome")
        able = patching.layers_with(engine, "residual")
        early, late = able[len(able) // 6], able[-2]
        found = patching.patch(engine, two, "residual", control=False, layers=[early, late])
    effects = found.effects[:, two.differing[0]]
    choice = _which(effects[0] > 0.5, effects[1] > 0.5, "early", "late")
    return (
        choice,
        {
            "early": str(early),
            "late": str(late),
            "early_effect": _percent(effects[0]),
            "late_effect": _percent(effects[1]),
        },
        asked.reference,
    )


# Merge


def half_a_skill(asked: Asked) -> Found:
    """How much of what the pirate adapter gained is left with half of it: the average with the model as it was."""
    gain = _gains(asked, ["pirate"], "pirate", [(1.0,), (0.5,)])
    share = gain[1] / gain[0]
    choice = "none" if share < 0.1 else "less" if share < 0.4 else "half" if share < 0.6 else "most"
    return choice, {"whole": f"{gain[0]:.2f}", "half": f"{gain[1]:.2f}", "share": _percent(share)}, MIXED


def two_skills(asked: Asked) -> Found:
    """Whether the average of two specialists keeps half of what each of them gained, or more."""
    two = ["pirate", "json"]
    kept = {}
    for place, name in enumerate(two):
        alone = tuple(float(place == at) for at in range(2))
        whole, average = _gains(asked, two, name, [alone, (0.5, 0.5)])
        kept[name] = average / whole
    choice = _which(kept["pirate"] >= KEPT, kept["json"] >= KEPT, "pirate", "json")
    return choice, {name: _percent(share) for name, share in kept.items()}, MIXED


def _gains(asked: Asked, names: Sequence[str], rows: str, mixtures: Sequence[tuple[float, ...]]) -> list[float]:
    """By how many nats a token of the held-out answers in `rows` is less surprising with each mixture."""
    adapters = [catalogue.ready(name, asked.settings) for name in names]
    lines = (ASSETS / "data" / "adapters" / f"{rows}.heldout.jsonl").read_text("utf-8").splitlines()
    with asked.models.lease(MIXED) as engine:
        spoken = [_spoken(engine, json.loads(line)["messages"]) for line in lines[:N_HELD_OUT]]
        surprise = [
            _surprise(engine, spoken, Attached(engine, adapters, [weights]).tap if any(weights) else None)
            for weights in [(0.0,) * len(names), *mixtures]
        ]
    return [surprise[0] - one for one in surprise[1:]]


def _spoken(engine: Engine, messages: Sequence[Mapping[str, str]]) -> tuple[torch.Tensor, torch.Tensor]:
    """The ids of a conversation up to its last message, (1, position), and of that message, (1, n)."""
    said = engine.tokenizer(messages[-1]["content"], add_special_tokens=False, return_tensors="pt").input_ids
    return replies.prompt_ids(engine, list(messages[:-1]), ""), said


def _surprise(engine: Engine, spoken: Sequence[tuple[torch.Tensor, torch.Tensor]], tap: Tap | None) -> float:
    """Nats a token."""
    with open_tap(tap) if tap else nullcontext():
        logprobs = [score.score(engine, prompt, said, k=1).logprobs for prompt, said in spoken]
    return -float(np.concatenate(logprobs).mean())


# Bias


def doctor(asked: Asked) -> Found:
    """Which of two sentences is the more probable."""
    (scored,) = _pronouns(asked, ["doctor"])
    difference = scored.first.score - scored.second.score
    choice = "even" if abs(difference) < 0.1 else "he" if difference > 0 else "she"
    return choice, {"times": f"{np.exp(abs(difference)):.1f}", "nats": f"{difference:+.2f}"}, asked.reference


def twenty_jobs(asked: Asked) -> Found:
    """For how many of twenty professions the sentence with "She" is the more probable."""
    words = next(one for one in bias_data.tables()["pairs"] if one["caption"] == "Twenty professions")["words"]
    scored = _pronouns(asked, words)
    differences = {word: one.first.score - one.second.score for word, one in zip(words, scored, strict=True)}
    n_she = sum(difference < 0 for difference in differences.values())
    lowest, highest = min(differences, key=differences.__getitem__), max(differences, key=differences.__getitem__)
    choice = "few" if n_she <= 6 else "some" if n_she <= 13 else "most"
    return (
        choice,
        {
            "she": str(n_she),
            "n": str(len(words)),
            "most_she": lowest,
            "most_he": highest,
            "spread": f"{differences[highest] - differences[lowest]:.1f}",
        },
        asked.reference,
    )


def _pronouns(asked: Asked, words: Sequence[str]) -> list[scoring.Scored]:
    """The pairs "He is a …" and "She is a …", in the order of the words."""
    two = pairs.from_templates(["He is a {word}."], ["She is a {word}."], words)
    with asked.models.lease(asked.reference) as engine:
        if engine.anatomy.kind != "causal":
            raise PlaygroundError("Only a chat or base model gives the probability of a sentence. Pick one.")
        found = [one for part in scoring.score(engine, two, "lm-eval") for one in part]
    return sorted(found, key=lambda one: one.number)


# Search


def other_words(asked: Asked) -> Found:
    """Which ranking finds the passage that says it in other words."""
    return _who_finds(asked, "q35")


def exact_name(asked: Asked) -> Found:
    """Which ranking finds the passage with a rare name or number."""
    return _who_finds(asked, "q44")


def _who_finds(asked: Asked, question: str) -> Found:
    """Which rankings put a chunk of the right document first."""
    lines = (ASSETS / "data" / "search" / "questions.jsonl").read_text("utf-8").splitlines()
    wanted = next(one for one in map(json.loads, lines) if one["id"] == question)
    shelves = collections.of(asked.settings)
    with asked.models.lease(shelves.embedding(shipped.ADDRESS, "")) as encoder:
        if not shelves.is_ready(shipped.ADDRESS):
            list(indexing.add(shelves.shipped(), shipped.sources(), encoder, wait=True))
        collection = shelves.open(shipped.ADDRESS, "")
        vector = embed.embed(encoder, [wanted["question"]], "query")[0]
    ranks = {}
    for method in ("bm25", "dense"):
        found = search.search(collection, wanted["question"], vector, search.How(method=method), 100)
        hits = [hit.rank for hit in found.hits if collection.chunks[hit.id].document == wanted["document"]]
        ranks[method] = hits[0] if hits else None
    choice = _which(ranks["bm25"] == 1, ranks["dense"] == 1, "words", "meaning")
    facts = {name: "–" if rank is None else str(rank) for name, rank in ranks.items()}
    return choice, facts | {"document": wanted["document"]}, collection.reference


_FOUR = ("words", "meaning", "both", "neither")
_THIRDS = ("first", "middle", "last")
ANSWERS: Mapping[str, Question] = MappingProxyType(
    {
        "next_token": Question(next_token, ("paris", "the", "a", "else")),
        "temperature": Question(temperature, ("flatter", "sharper", "order")),
        "few_shot": Question(few_shot, ("both", "few", "zero", "neither")),
        "says_nothing": Question(says_nothing, ("even", "positive", "negative")),
        "it_looks_at": Question(it_looks_at, ("first", "mat", "it", "else")),
        "previous_token": Question(previous_token, _THIRDS),
        "answer_appears": Question(answer_appears, _THIRDS),
        "patch_country": Question(patch_country, ("early", "late", "both", "neither")),
        "half_a_skill": Question(half_a_skill, ("none", "less", "half", "most")),
        "two_skills": Question(two_skills, ("both", "pirate", "json", "neither")),
        "doctor": Question(doctor, ("he", "she", "even")),
        "twenty_jobs": Question(twenty_jobs, ("few", "some", "most")),
        "other_words": Question(other_words, _FOUR),
        "exact_name": Question(exact_name, _FOUR),
    }
)


def _third(place: int, of: int) -> str:
    return _THIRDS[min(place * 3 // of, 2)]


def _percent(share: float) -> str:
    """A share as a number of percent, without the sign."""
    percent = 100 * float(share)
    return f"{percent:.1f}" if abs(percent) < 10 else f"{percent:.0f}"
