"""Words and the tokens that they can begin with: a bias for a word is a bias for these.

A word of several tokens can be pushed at its first one only, and so is every other word that begins with that token.
It does not know what a bias does to a distribution (`sampling`).
"""

from dataclasses import dataclass, replace

from playground.engine.loaded import Tokenizer
from playground.engine.sampling import MOST_BIAS, Sampling
from playground.errors import PlaygroundError


@dataclass(frozen=True)
class FirstToken:
    """One token that a word can begin with."""

    id: int
    text: str
    n_tokens: int  # of the word, when it begins with this token


def first_tokens(tokenizer: Tokenizer, word: str) -> tuple[FirstToken, ...]:
    """The tokens that `word` begins with inside a text (after a space) and at its start.

    Raises:
        PlaygroundError: this tokenizer has no token for it.
    """
    found: dict[int, FirstToken] = {}
    for form in (f" {word}", word):
        ids = tokenizer(form, add_special_tokens=False, verbose=False).input_ids
        texts = [tokenizer.decode([token]) for token in ids]
        skipped = next((i for i, text in enumerate(texts) if text.strip() or not word.strip()), None)
        if skipped is not None:  # a space that is a token of its own says nothing of the word
            token = ids[skipped]
            found.setdefault(token, FirstToken(token, texts[skipped], len(ids) - skipped))
    known = tuple(token for token in found.values() if token.id != getattr(tokenizer, "unk_token_id", None))
    if not known:
        raise PlaygroundError(f"This model has no token for {word!r}, so it cannot be pushed. Leave it out.")
    return known


def with_words(sampling: Sampling, tokenizer: Tokenizer) -> Sampling:
    """The same settings with every `word_bias` as `logit_bias`: those of one token add up, within the range.

    Raises:
        PlaygroundError: as `first_tokens`.
    """
    if not sampling.word_bias:
        return sampling
    biases: dict[int, float] = dict(sampling.logit_bias)
    for word, bias in sampling.word_bias:
        for token in first_tokens(tokenizer, word):
            biases[token.id] = max(-MOST_BIAS, min(MOST_BIAS, biases.get(token.id, 0.0) + bias))
    return replace(sampling, logit_bias=tuple(biases.items()), word_bias=())
