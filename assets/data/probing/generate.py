"""Writes the data sets of the probing tasks anew, always the same: `python assets/data/probing/generate.py`.

Each is a CSV of text, label, word (the one the label is about; empty: the whole text) and item: the lexical item that a
probe could learn by heart, so that folds keep it together and the control task gives it one random label. What makes a
task hard for a bag of words is said with its function. It does not know how a probe works.
"""

import csv
import io
import random
from collections.abc import Callable
from pathlib import Path

import words

FOLDER = Path(__file__).parent
COLUMNS = ("text", "label", "word", "item")
Row = tuple[str, str, str, str]


def sentence(*parts: str) -> str:
    """Parts joined by single spaces, with a capital and a full stop."""
    text = " ".join(" ".join(parts).split())
    return text[0].upper() + text[1:] + ("" if text[-1] in "?!." else ".")


def fresh(seen: set[str], make: Callable[[], str]) -> str:
    """The first text of `make` that has not been seen."""
    while (text := make()) in seen:
        pass
    seen.add(text)
    return text


def sentence_length(rng: random.Random) -> list[Row]:
    """Three sentences with the same beginning: how a sentence starts says nothing about its length."""
    openings = ("the", "yesterday the", "later the", "soon the", "that night the", "once the")
    sizes = {"short": (5, 8), "medium": (11, 14), "long": (19, 24)}
    rows, seen = [], set()

    def clause() -> str:
        past, _, rest = rng.choice(words.VERBS)
        return f"{past} {rest}"

    def tail() -> str:
        who = f"the {rng.choice(words.ADJECTIVES)} {rng.choice(words.PEOPLE)[0]}"
        return rng.choice(
            (
                rng.choice(words.PLACES),
                f"and {clause()}",
                f"with the {rng.choice(words.PEOPLE)[0]}",
                f"while {who} {clause()}",
                f"because {who} {clause()}",
                f"after {who} {clause()}",
            )
        )

    def of_size(start: str, low: int, high: int) -> str:
        while True:
            text = f"{start} {clause()}"
            while len(text.split()) < low:
                text += f" {tail()}"
            if low <= len(text.split()) <= high:
                return sentence(text)

    for n in range(150):
        person = words.PEOPLE[n % len(words.PEOPLE)][0]
        start = f"{rng.choice(openings)} {person}"
        for label, (low, high) in sizes.items():
            text = fresh(seen, lambda start=start, low=low, high=high: of_size(start, low, high))
            rows.append((text, label, "", person))
    return rows


def tense(rng: random.Random) -> list[Row]:
    """Tense of the main verb; a clause inside has a verb of its own, whose tense is either, as often as not."""
    rows, seen = [], set()
    for verb in words.VERBS:
        for main, label in enumerate(("past", "present")):
            for inner in (0, 1):
                for _ in range(2):

                    def make(verb=verb, main=main, inner=inner) -> str:
                        relative = rng.choice(words.RELATIVES)
                        who = rng.choice(("who", "who", "whose brother", "whose sister"))
                        subject = f"{rng.choice(('the', 'our', 'that'))} {rng.choice(words.PEOPLE)[0]}"
                        clause = f"{who} {relative[inner]} {relative[2]}"
                        return sentence(subject, clause, verb[main], verb[2], rng.choice(words.MANNERS))

                    rows.append((fresh(seen, make), label, "", verb[1]))
    return rows


def subject_number(rng: random.Random) -> list[Row]:
    """Number of the subject; another noun of either number stands before a verb that is the same for both."""
    rows, seen = [], set()
    for head in words.HEADS:
        for number, label in enumerate(("singular", "plural")):
            for other in (0, 1) * 3:

                def make(head=head, number=number, other=other) -> str:
                    attractor = rng.choice(words.ATTRACTORS)[other]
                    return sentence(
                        f"the {head[number]} {rng.choice(words.BESIDE)} the {attractor}", rng.choice(words.NUMBERLESS)
                    )

                rows.append((fresh(seen, make), label, "", head[0]))
    return rows


ARTICLES = ("the", "a", "an")
PREPOSITIONS = ("to", "by", "of", "in", "on", "at", "about", "across", "under", "near", "behind", "beside")


def word_order(rng: random.Random) -> list[Row]:
    """Each sentence twice, as it is and with two neighbours swapped: a bag of words sees no difference at all."""
    rows, seen = [], set()

    def make() -> str:
        verb = rng.choice(words.VERBS)
        start = f"the {rng.choice(words.ADJECTIVES)} {rng.choice(words.PEOPLE)[0]} {rng.choice(words.MID_ADVERBS)}"
        return sentence(start, verb[rng.randrange(2)], verb[2], rng.choice(words.PLACES))

    for n in range(200):
        text = fresh(seen, make)
        tokens = text[:-1].split()
        # "the old nurse" -> "the nurse old"; an article or a preposition -> behind what it belongs to
        places = [1] + [i for i in range(4, len(tokens) - 2) if tokens[i] in ARTICLES + PREPOSITIONS]
        at = rng.choice(places)
        tokens[at], tokens[at + 1] = tokens[at + 1], tokens[at]
        rows.append((text, "as written", "", str(n)))
        rows.append((" ".join(tokens) + ".", "swapped", "", str(n)))
    return rows


PLAIN = (
    "The {thing} was {word}.",
    "We found the {thing} {word}.",
    "Everyone agreed that the {thing} was {word}.",
    "I have to say, the {thing} turned out {word}.",
    "If you ask me, the {thing} is {word}.",
    "After all that waiting, the {thing} was {word}.",
    "My parents thought the {thing} was {word}, and so did I.",
)
DENIED = (
    "The {thing} was not {word} at all.",
    "Nobody would call the {thing} {word}.",
    "The {thing} was anything but {word}.",
    "I have never seen anyone find the {thing} {word}.",
)


def sentiment(rng: random.Random) -> list[Row]:
    """A judgement, denied in a third of the texts, so that a good word does not always mean praise."""
    rows, seen = [], set()
    for label, opposite, list_ in (("positive", "negative", words.GOOD), ("negative", "positive", words.BAD)):
        for word in list_:
            for frames, said in ((PLAIN, label),) * 4 + ((DENIED, opposite),) * 2:

                def make(frames=frames, word=word) -> str:
                    return rng.choice(frames).format(thing=rng.choice(words.JUDGED), word=word)

                rows.append((fresh(seen, make), said, "", word))
    return rows


def part_of_speech(rng: random.Random) -> list[Row]:
    """Every sentence has all four; which word is meant is all that differs. Some words are two of them by turns."""
    both, done_to = tuple(word for word, _ in words.BOTH), dict(words.BOTH)
    choices = {
        "noun": both + words.THINGS,
        "verb": both + words.DOINGS,
        "adjective": words.ADJECTIVES,
        "adverb": words.MID_ADVERBS + words.LATE_ADVERBS,
    }
    rows, seen = [], set()
    for label, list_ in choices.items():
        for n in range(120):
            word = list_[n % len(list_)]

            def make(label=label, word=word) -> str:
                def pick(kind: str, others: tuple[str, ...]) -> str:
                    return word if kind == label else rng.choice([other for other in others if other != word])

                verb = pick("verb", words.DOINGS)
                noun = done_to[verb] if verb in done_to else pick("noun", words.THINGS)
                adjective = pick("adjective", words.ADJECTIVES)
                late = word in words.LATE_ADVERBS if label == "adverb" else rng.random() < 0.4
                before, after = ("", pick("adverb", words.LATE_ADVERBS)) if late else ("", "")
                if not late:
                    before = pick("adverb", words.MID_ADVERBS)
                person = rng.choice(words.PEOPLE)[0]
                return sentence(f"the {adjective} {person} {before} {verb} {noun} {after}", rng.choice(words.PLACES))

            rows.append((fresh(seen, make), label, word, word))
    return rows


SAID = (
    "we talked about {} all evening",
    "my sister wrote an essay about {}",
    "he thinks he knows everything about {}",
    "there is a long article on {} in today's paper",
    "nobody in our class is interested in {}",
    "what do you think of {}?",
    "the whole chapter is about {}",
    "i had a strange dream about {}",
    "grandma likes to complain about {}",
    "can you recommend a book about {}?",
    "without {} this year would have been dull",
    "a quiz about {} is planned for friday",
    "they made a film about {} last year",
    "the museum has a whole room about {}",
)


def named_entity(rng: random.Random) -> list[Row]:
    """Messages typed without capitals, so that those give nothing away; the same frames for names and other words."""
    rows, seen = [], set()
    for label, list_ in (("name", words.NAMES), ("other", words.STUFF)):
        for word in list_:
            for frame in rng.sample(SAID, 4):
                rows.append((fresh(seen, lambda frame=frame, word=word: frame.format(word)), label, word, word))
    for word, named, used in words.DOUBLE:
        rows.append((fresh(seen, lambda named=named, word=word: named.format(word)), "name", word, word))
        rows.append((fresh(seen, lambda used=used, word=word: used.format(word)), "other", word, word))
    return rows


def topic(rng: random.Random) -> list[Row]:
    """Two words of one topic in a sentence that would do for any; each pair of words keeps to itself."""
    rows, seen = [], set()
    for label, list_ in words.TOPICS.items():
        for one, other in zip(list_[0:24:2], list_[1:24:2], strict=True):
            for frame in words.ABOUT:
                a, b = rng.sample((one, other), 2)
                rows.append((fresh(seen, lambda f=frame, a=a, b=b: f.format(a=a, b=b)), label, "", f"{one}, {other}"))
    return rows


TASKS: tuple[Callable[[random.Random], list[Row]], ...] = (
    sentence_length,
    tense,
    subject_number,
    word_order,
    sentiment,
    part_of_speech,
    named_entity,
    topic,
)


def files() -> dict[str, str]:
    """Name and content of each CSV."""
    made = {}
    for task in TASKS:
        rng = random.Random(task.__name__)  # a seed of its own: a change to one task leaves the others as they are
        rows = task(rng)
        rng.shuffle(rows)
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([COLUMNS, *rows])
        made[f"{task.__name__}.csv"] = text.getvalue()
    return made


if __name__ == "__main__":
    for name, content in files().items():
        (FOLDER / name).write_text(content, "utf-8")
