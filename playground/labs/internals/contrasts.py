"""Two texts of the same form that differ in a word, and the two tokens that tell them apart: what patching works on.

It aligns and refuses; it does not patch.
"""

import difflib
import itertools
import re
import threading
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial

import torch
from torch import Tensor

from playground.assets import ASSETS
from playground.engine import passes
from playground.engine.engine import Engine
from playground.engine.readout import logits_of
from playground.errors import PlaygroundError
from playground.labs import reading

_SWAPS = ASSETS / "swaps.toml"
_TRIED = 16  # replacements of one word that are run
_WORDS = 100  # of a text that are looked at: a long one has thousands


@dataclass(frozen=True, eq=False)
class Contrast:
    """A clean and a corrupted text with equally many tokens, and the two tokens between which the model decides."""

    clean: str
    corrupted: str
    clean_ids: Tensor  # (1, position), on the model's device
    corrupted_ids: Tensor  # (1, position)
    clean_labels: tuple[str, ...]  # (position,)
    corrupted_labels: tuple[str, ...]  # (position,)
    differing: tuple[int, ...]  # positions whose tokens differ
    position: int  # where the two tokens are compared: the last, or the mask
    answer: int  # id of the token that the clean text asks for
    wrong: int
    answer_text: str
    wrong_text: str


@dataclass(frozen=True)
class Proposal:
    """A counterfactual of equal length, with two tokens that the model itself chooses differently in the two texts."""

    corrupted: str
    word: str  # of the clean text
    replacement: str
    kind: str  # of word, as in assets/swaps.toml
    differing: tuple[int, ...]  # positions whose tokens differ
    answer: str
    wrong: str
    clean_difference: float  # logit of `answer` minus logit of `wrong` in the clean text
    corrupted_difference: float


def contrast(engine: Engine, clean: str, corrupted: str, answer: str, wrong: str) -> Contrast:
    """Checks that two texts and two answers can be patched.

    Raises:
        PlaygroundError: the lengths differ, nothing differs, an answer is no single token, or the model does not fit.
    """
    check_model(engine)
    ids = encoded(engine, clean), encoded(engine, corrupted)
    labels = [reading.of_ids(engine, row[0].tolist()).labels for row in ids]
    if ids[0].shape != ids[1].shape:
        raise PlaygroundError(
            f"The texts must have equally many tokens, so that each position has a counterpart. {_beside(*labels)} "
            "Use a word of as many tokens, or let one be proposed."
        )
    differing = (ids[0] != ids[1])[0].nonzero()[:, 0].tolist()
    if not differing:
        raise PlaygroundError("The texts are the same to this model. Change a word in one of them.")
    positions = {place(engine, row) for row in ids}
    if len(positions) > 1:
        raise PlaygroundError("The mask must stand at the same token in both texts.")
    position = positions.pop()
    if engine.anatomy.kind == "causal" and min(differing) > position:
        raise PlaygroundError("The texts differ only behind where the answer is read. Change an earlier word.")
    tokens = [answer_token(engine, clean, text) for text in (answer, wrong)]
    if tokens[0] == tokens[1]:
        raise PlaygroundError("Both answers are the same token. Name two different ones.")
    texts = [engine.tokenizer.decode([token]) for token in tokens]
    return Contrast(
        clean, corrupted, *ids, labels[0], labels[1], tuple(differing), position, tokens[0], tokens[1], *texts
    )


def check_model(engine: Engine) -> None:
    """Raises PlaygroundError when answers cannot be compared in this model."""
    if engine.anatomy.kind not in ("causal", "masked") or engine.anatomy.unembedding is None:
        raise PlaygroundError(
            f"{engine.reference} is a {engine.anatomy.kind} model; this compares next tokens or filled masks. "
            "Pick a model that continues text or fills blanks."
        )


def encoded(engine: Engine, text: str, complete: bool = False) -> Tensor:
    """As `Engine.encode`; white space alone is no text. complete: special tokens are in it already."""
    check_text(text)
    return engine.encode(text, add_special_tokens=not complete)


def check_text(text: str) -> None:
    """Raises PlaygroundError when there is nothing but white space."""
    if not text.strip():
        raise PlaygroundError("There is no text to read. Type something first.")


def place(engine: Engine, ids: Tensor) -> int:
    """Where the answer to a text, (1, position), is read: the last position, or the one mask.

    Raises:
        PlaygroundError: a masked model got no mask, or several.
    """
    if engine.anatomy.kind != "masked":
        return ids.shape[1] - 1
    masks = (ids[0] == engine.tokenizer.mask_token_id).nonzero()[:, 0].tolist()
    if len(masks) != 1:
        raise PlaygroundError(
            f"{engine.reference} fills blanks: put {engine.tokenizer.mask_token} once where the answer belongs "
            f"(there are {len(masks)})."
        )
    return masks[0]


def answer_token(engine: Engine, text: str, answer: str) -> int:
    """The id of an answer as it would stand in the text: with the space before it, if the text does not end in one.

    Raises:
        PlaygroundError: it is several tokens, or none; says what they are.
    """
    if not answer.strip():
        raise PlaygroundError("Both answers are needed: what the model should say, and what it should not.")
    spaced = answer if answer[0].isspace() or text[-1:].isspace() else f" {answer}"
    found = []
    for spelling in dict.fromkeys((spaced, answer)):
        ids = engine.tokenizer(spelling, add_special_tokens=False).input_ids
        if len(ids) == 1 and ids[0] != engine.tokenizer.unk_token_id:
            return ids[0]
        found.append(ids)
    pieces = " + ".join(f"“{engine.tokenizer.decode([i])}”" for i in found[0]) or "nothing"
    raise PlaygroundError(
        f"“{answer}” is {len(found[0])} tokens to this model ({pieces}), and one is needed. "
        + (f"Use its first, “{engine.tokenizer.decode(found[0][:1])}”, or another word." if found[0] else "")
    )


def _beside(clean: tuple[str, ...], corrupted: tuple[str, ...]) -> str:
    """Both texts as tokens with their counts, for an error."""
    rows = [f"{len(labels)} tokens: {' | '.join(labels)}" for labels in (clean, corrupted)]
    return f"Clean has {rows[0]}. Corrupted has {rows[1]}."


@cache
def swaps() -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The shipped lists: (kind, words that can stand in for each other)."""
    tables = tomllib.loads(_SWAPS.read_text("utf-8"))["list"]
    return tuple((table["kind"], tuple(table["words"])) for table in tables)


def propose(engine: Engine, text: str, n: int = 8, stop: threading.Event | None = None) -> tuple[Proposal, ...]:
    """Counterfactuals of a text: one word swapped for one of its kind with equally many tokens.

    Each comes with the pair of tokens on which the model changes its mind most, among what it holds probable in either
    text; the clearest change first.

    Raises:
        PlaygroundError: no known word, none with an equally long stand-in, none that changes what the model says.
    """
    check_model(engine)
    ids = encoded(engine, text)
    position = place(engine, ids)
    words = list(itertools.islice(_swappable(text), _WORDS))
    if not words:
        kinds = ", ".join(kind for kind, _ in swaps())
        raise PlaygroundError(
            f"No word of this text has a stand-in here; the lists hold these kinds: {kinds}. "
            "Write the other text yourself."
        )
    step = max(1, 2048 // ids.shape[1])  # texts of one forward pass
    proposals: list[Proposal] = []
    n_tried = 0
    try:
        residual = passes.last_residual(engine, {"input_ids": ids}, stop=stop)[:, position]
        clean = logits_of(engine, residual).cpu()[0]
        candidates = _candidates(engine, text, ids, words, stop)
        while piece := list(itertools.islice(candidates, step)):
            n_tried += len(piece)
            rows = torch.cat([row for *_, row in piece])
            residual = passes.last_residual(engine, {"input_ids": rows}, stop=stop)[:, position]
            logits = logits_of(engine, residual).cpu()
            proposals += filter(None, map(partial(_proposal, engine, text, ids, clean), piece, logits))
            # the model decides one way and then the other; the weaker of the two decisions says how clear the pair is
            proposals = sorted(proposals, key=lambda p: -min(p.clean_difference, -p.corrupted_difference))[:n]
    except passes.Stopped:
        raise PlaygroundError("Stopped before all stand-ins were tried.") from None
    if not n_tried:
        known = ", ".join(f"“{word}”" for word in dict.fromkeys(word for _, word, _, _ in words))
        raise PlaygroundError(
            f"No stand-in for {known} has as many tokens to this model. Write the other text yourself."
        )
    if not proposals:
        raise PlaygroundError("No stand-in changes what the model would say here. Try a text that asks for a fact.")
    return tuple(proposals)


_Swappable = tuple[str, str, int, list[str]]
_Candidate = tuple[str, str, str, str, Tensor]


def _swappable(text: str) -> Iterator[_Swappable]:
    """(kind, word, its first character, stand-ins) for each known word of the text."""
    present = set(re.findall(r"\w+", text))
    for match in re.finditer(r"\w+", text):
        for kind, words in swaps():
            if match[0] in words:
                yield kind, match[0], match.start(), [word for word in words if word not in present]


def _candidates(
    engine: Engine, text: str, ids: Tensor, words: Sequence[_Swappable], stop: threading.Event | None
) -> Iterator[_Candidate]:
    """(kind, word, stand-in, the text with it, its ids): at most so many of a word that are aligned with `ids`."""
    for kind, word, begin, others in words:
        n = 0
        for other in others:
            passes.check_stop(stop)
            changed = text[:begin] + other + text[begin + len(word) :]
            row = engine.encode(changed)
            if _aligned(ids, row):
                n += 1
                yield kind, word, other, changed, row
            if n == _TRIED:
                break


def _proposal(
    engine: Engine, text: str, ids: Tensor, clean: Tensor, candidate: _Candidate, theirs: Tensor
) -> Proposal | None:
    """A candidate with the tokens that tell it apart; None where there are none. clean, theirs: (vocabulary,)."""
    kind, word, other, changed, row = candidate
    pair = _told_apart(engine, text, clean, theirs)
    if pair is None:
        return None
    answer, wrong = pair
    return Proposal(
        changed,
        word,
        other,
        kind,
        tuple((row != ids)[0].nonzero()[:, 0].tolist()),
        engine.tokenizer.decode([answer]),
        engine.tokenizer.decode([wrong]),
        (clean[answer] - clean[wrong]).item(),
        (theirs[answer] - theirs[wrong]).item(),
    )


def _aligned(ids: Tensor, other: Tensor) -> bool:
    """Whether two texts have as many tokens, and differ in one stretch of them alone. Both: (1, position)."""
    if other.shape != ids.shape:
        return False
    codes = difflib.SequenceMatcher(None, ids[0].tolist(), other[0].tolist(), autojunk=False).get_opcodes()
    changes = [code for code in codes if code[0] != "equal"]
    return len(changes) == 1 and changes[0][0] == "replace" and changes[0][1:3] == changes[0][3:5]


def _told_apart(engine: Engine, text: str, clean: Tensor, corrupted: Tensor, among: int = 5) -> tuple[int, int] | None:
    """The two tokens, of the most probable in each text, whose logits change most against each other.

    None where the model does not prefer a different one in each. Both: (vocabulary,).
    """
    moved = clean - corrupted
    probable = [
        [token for token in logits.topk(among).indices.tolist() if _writable(engine, text, token)]
        for logits in (clean, corrupted)
    ]
    if not all(probable):
        return None
    answer = max(probable[0], key=lambda token: moved[token])
    wrong = min(probable[1], key=lambda token: moved[token])
    if answer == wrong or clean[answer] <= clean[wrong] or corrupted[answer] >= corrupted[wrong]:
        return None
    return answer, wrong


def _writable(engine: Engine, text: str, token: int) -> bool:
    """Whether a person can name the token as an answer: not so a part of a character, or a piece within a word."""
    try:
        return answer_token(engine, text, engine.tokenizer.decode([token])) == token
    except PlaygroundError:
        return False
