"""JSON answers: a sentence and the keys that are wanted, answered by a JSON object of exactly these keys.

Sentences are made from frames and words of our own. Frames and words of the held-out half occur in no training row, so
what is tested is the form and the reading, not memory. It does not know how a model is trained on them.
"""

import json
import random

LONGEST = 40  # tokens of a reply when it is tested
ASKED = (
    "Give the {keys} as JSON: {text}",
    "{text}\nAnswer in JSON with the keys {keys}.",
    "Extract {keys} from this text as a JSON object.\n{text}",
)
Frame = tuple[str, tuple[str, ...]]  # a sentence with named gaps, and the keys asked for
TRAIN_FRAMES: tuple[Frame, ...] = (
    ("{name} is {age} years old and lives in {city}.", ("name", "age", "city")),
    ("{name} works as a {job} in {city}.", ("name", "job", "city")),
    ("At {age}, {name} became a {job}.", ("name", "age", "job")),
    ("The {colour} {item} costs {price} euros.", ("item", "colour", "price")),
    ("I bought {count} {colour} {item}s in {city}.", ("count", "colour", "item", "city")),
    ("On {day} {name} takes the train to {city}.", ("name", "day", "city")),
    ("{name} sold a {item} for {price} euros on {day}.", ("name", "item", "price", "day")),
    ("The meeting with {name} is on {day}.", ("name", "day")),
)
HELD_OUT_FRAMES: tuple[Frame, ...] = (
    ("In {city} a {job} called {name} opened a shop.", ("name", "job", "city")),
    ("We paid {price} euros for the {item}.", ("item", "price")),
    ("{name}, {age}, has never been to {city}.", ("name", "age", "city")),
    ("Please send {count} {item}s to {city} by {day}.", ("count", "item", "city", "day")),
    ("Nobody but {name} wanted the {colour} {item}.", ("name", "colour", "item")),
)
TRAIN_WORDS = {
    "name": ("Anna", "Peter", "Sofia", "Marco", "Emma", "Lukas", "Nina", "Oscar", "Clara", "Hugo", "Rosa", "Felix"),
    "city": ("Paris", "Lisbon", "Boston", "Vienna", "Dublin", "Prague", "Turin", "Kyoto", "Bergen", "Ghent"),
    "job": ("baker", "pilot", "nurse", "lawyer", "painter", "teacher", "plumber", "singer"),
    "colour": ("red", "blue", "green", "black", "white", "yellow"),
    "item": ("lamp", "chair", "bicycle", "watch", "guitar", "table", "camera", "kettle"),
    "day": ("Monday", "Tuesday", "Thursday", "Saturday"),
}
HELD_OUT_WORDS = {
    "name": ("Irene", "Tomas", "Greta", "Samuel", "Yusuf", "Paula", "Bruno", "Helga"),
    "city": ("Madrid", "Oslo", "Chicago", "Naples", "Riga", "Cardiff"),
    "job": ("dentist", "carpenter", "driver", "tailor"),
    "colour": ("grey", "orange", "purple"),
    "item": ("mirror", "piano", "umbrella", "printer", "blanket"),
    "day": ("Wednesday", "Friday", "Sunday"),
}


def _rows(n: int, seed: int, frames: tuple[Frame, ...], words: dict) -> list[tuple[str, str]]:
    rng = random.Random(seed)
    rows: dict[str, str] = {}
    while len(rows) < n:
        frame, keys = frames[len(rows) % len(frames)]
        values = {kind: rng.choice(of) for kind, of in words.items()}
        values |= {"age": rng.randint(18, 80), "price": rng.randint(5, 400), "count": rng.randint(2, 20)}
        wanted = rng.sample(keys, rng.randint(2, len(keys)))
        asked = rng.choice(ASKED).format(keys=", ".join(wanted), text=frame.format(**values))
        rows.setdefault(asked, json.dumps({key: values[key] for key in wanted}))
    return list(rows.items())


def train(seed: int) -> list[tuple[str, str]]:
    return _rows(320, seed, TRAIN_FRAMES, TRAIN_WORDS)


def held_out(seed: int) -> list[tuple[str, str]]:
    return _rows(24, seed + 1, HELD_OUT_FRAMES, HELD_OUT_WORDS)


def right(reply: str, expected: str) -> bool:
    """Whether the whole reply is JSON with the expected keys and values; 7 and "7" are the same."""
    try:
        found = json.loads(reply.strip())
    except ValueError:
        return False
    wanted = json.loads(expected)
    return isinstance(found, dict) and {k: str(v) for k, v in found.items()} == {k: str(v) for k, v in wanted.items()}
