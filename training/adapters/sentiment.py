"""Sentiment labels: one sentence of a review in, "positive" or "negative" out. Written and composed for this.

What makes it more than a list of words: negations ("nobody could call it dull") and turns ("it began well, but") have
the label of what they mean. Things and words of judgement of the held-out half occur in no training row. It does not
know how a model is trained on them.
"""

import random

CHOICES = ("positive", "negative")
LONGEST = 8  # tokens of a reply when it is tested
ASKED = (
    "Is this review positive or negative?\n{text}",
    "Classify the following text as positive or negative: {text}",
    "{text}\nSentiment (positive or negative):",
)
Words = dict[str, tuple[str, ...]]
TRAIN_WORDS: Words = {
    "thing": ("film", "novel", "hotel", "restaurant", "phone", "concert", "course", "jacket", "museum", "game"),
    "part": ("ending", "staff", "sound", "price", "design", "service", "first hour", "quality"),
    "good": ("wonderful", "brilliant", "charming", "excellent", "delightful", "great", "moving", "superb", "clever"),
    "bad": ("awful", "boring", "dull", "terrible", "disappointing", "poor", "clumsy", "tiresome", "horrible"),
    "praise": ("I loved every minute", "I would buy it again", "it made my week", "we went home happy"),
    "blame": ("I want my money back", "I left early", "it was a waste of time", "never again"),
}
HELD_OUT_WORDS: Words = {
    "thing": ("play", "podcast", "bakery", "laptop", "campsite", "exhibition"),
    "part": ("music", "breakfast", "plot", "battery", "view"),
    "good": ("fantastic", "gorgeous", "splendid", "enjoyable", "impressive"),
    "bad": ("dreadful", "lousy", "annoying", "tedious", "pathetic"),
    "praise": ("I told all my friends to go", "I smiled the whole way home", "worth every penny"),
    "blame": ("I fell asleep", "what a letdown", "I threw it away"),
}
# {right} and {wrong} are words of the label and of its opposite, {cry} an exclamation of the label.
FRAMES = (
    "The {thing} was {right}.",
    "What a {right} {thing}!",
    "The {part} of this {thing} is {right}, and {cry}.",
    "I expected a {wrong} {thing}, but it turned out {right}.",
    "Nobody could call this {thing} {wrong}.",
    "The {part} was {wrong} at first, yet in the end {cry}.",
    "Everyone said the {thing} was {wrong}; they were mistaken, it is {right}.",
    "This {thing} has a {right} {part}.",
    "{Cry}: the {thing} was simply {right}.",
    "It is not a {wrong} {thing} at all.",
)
HELD_OUT_FRAMES = (
    "This {thing} is absolutely {right}!",
    "My sister called the {thing} {wrong}, I found it {right}.",
    "You will not find the {part} {wrong}.",
    "A {right} {part} and a {right} {thing}.",
    "The {thing} looked {wrong} in the pictures, but {cry}.",
    "Honestly, {cry}.",
)


def _rows(n: int, seed: int, frames: tuple[str, ...], words: Words) -> list[tuple[str, str]]:
    rng = random.Random(seed)
    rows: dict[str, str] = {}
    while len(rows) < n:
        label = ("positive", "negative")[len(rows) % 2]
        own, other, cries = ("good", "bad", "praise") if label == "positive" else ("bad", "good", "blame")
        cry = rng.choice(words[cries])
        text = rng.choice(frames).format(
            thing=rng.choice(words["thing"]),
            part=rng.choice(words["part"]),
            right=rng.choice(words[own]),
            wrong=rng.choice(words[other]),
            cry=cry,
            Cry=cry[0].upper() + cry[1:],
        )
        rows.setdefault(rng.choice(ASKED).format(text=text), label)
    return list(rows.items())


def train(seed: int) -> list[tuple[str, str]]:
    return _rows(400, seed, FRAMES, TRAIN_WORDS)


def held_out(seed: int) -> list[tuple[str, str]]:
    return _rows(60, seed + 1, HELD_OUT_FRAMES, HELD_OUT_WORDS)


def right(reply: str, expected: str) -> bool:
    """Whether the first word of the reply is the label."""
    words = reply.strip().lower().replace(".", " ").split()
    return bool(words) and words[0] == expected
