"""Documents -> chunks, counted in the embedding model's own tokens, so that nothing is cut off without a word.

Each chunk knows its document, page, heading and characters. It does not embed anything.
"""

import bisect
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeVar, get_args

from playground.errors import PlaygroundError
from playground.labs.retrieval import sentences
from playground.labs.retrieval.documents import Document, Section

if TYPE_CHECKING:
    from playground.engine.engine import Engine

By = Literal["sentences", "tokens", "headings", "characters"]
Span = tuple[int, int]
_LONGEST_TITLE = 120  # characters: a longer one would crowd out the text
_TOGETHER = 512  # sentences that are given to the tokenizer at once


@dataclass(frozen=True)
class Chunking:
    """sentences: whole ones, up to `size` tokens. headings: the same, and never across a heading that has text below
    it. tokens: whole words, up to `size` tokens. characters: windows of `size` characters. `overlap` in the same unit.

    Raises:
        PlaygroundError: a number out of range.
    """

    by: By = "sentences"
    size: int = 200
    overlap: int = 40

    def __post_init__(self) -> None:
        if self.by not in get_args(By):
            raise PlaygroundError(f"Chunks can be made by {', '.join(get_args(By))}; “{self.by}” is none of these.")
        low, high = (100, 100_000) if self.by == "characters" else (8, 8192)
        for name in ("size", "overlap"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or value != int(value):
                raise PlaygroundError(f"The {name} of chunks is {value!r}; it must be a whole number.")
            object.__setattr__(self, name, int(value))
        if not low <= self.size <= high:
            raise PlaygroundError(f"The size of chunks by {self.by} is {self.size:,}; it must be {low} to {high:,}.")
        if not 0 <= self.overlap <= self.size // 2:
            raise PlaygroundError(
                f"The overlap is {self.overlap:,}; it must be from 0 to half of the size ({self.size // 2:,})."
            )


@dataclass(frozen=True)
class Chunk:
    document: str  # its name
    text: str  # document text[start:end]
    start: int  # characters
    end: int
    page: int | None  # where it begins, from 1
    heading: str  # under which it begins
    record: str
    n_tokens: int  # of the text, by the embedding model; special tokens and prefix not counted
    lost: int  # how many are beyond what the model reads, the title in front counted

    @property
    def indexed(self) -> str:
        """What is embedded and counted by BM25: the text, with the document's title in front where it lacks it."""
        title = self.heading.split(" › ")[0]
        if len(title) > _LONGEST_TITLE:
            title = ""
        return self.text if not title or self.text.lstrip("# ").startswith(title) else f"{title}. {self.text}"

    @property
    def place(self) -> str:
        """Where it stands, in words."""
        parts = [self.document, f"page {self.page}" if self.page else "", self.record, self.heading]
        return ", ".join(part for part in parts if part)


def room(engine: "Engine") -> int:
    """How many tokens of a passage the embedding model reads, beside special tokens and its prefix."""
    from playground.engine import embed

    around = len(engine.tokenizer(embed.prefix(engine, "passage"), verbose=False)["input_ids"])
    return embed.limit(engine) - around


def cut(document: Document, engine: "Engine", chunking: Chunking) -> Iterator[Chunk]:
    """The chunks of a document, in its order, one after the other."""
    fits = room(engine)
    sections = _told(document)
    starts = [section.start for section in sections]
    cutter = _Cutter(document.text, engine, chunking)
    found = itertools.chain.from_iterable(cutter.spans(a, b) for a, b in _regions(document, sections, chunking.by))
    for batch in _batched(found, _TOGETHER):
        made = []
        for a, b in batch:
            section = sections[max(bisect.bisect_right(starts, a) - 1, 0)]
            where = (section.page, section.heading, section.record)
            made.append(Chunk(document.name, document.text[a:b], a, b, *where, 0, 0))
        for chunk in cutter.counted(made, fits):
            wanted = chunking.by != "characters" and chunking.size <= fits
            yield from _within(chunk, cutter, fits) if chunk.lost and wanted else [chunk]


def _within(chunk: Chunk, cutter: "_Cutter", fits: int) -> Iterator[Chunk]:
    """Parts a chunk that has more tokens than its sentences have one by one, as can be with some tokenizers."""
    middle = chunk.text.rfind(" ", 1, len(chunk.text) // 2 + 1)
    middle = middle if middle > 0 else len(chunk.text) // 2
    for a, b in ((chunk.start, chunk.start + middle), (chunk.start + middle, chunk.end)):
        for start, end in _trim(cutter.text, a, b):
            part = replace(chunk, text=cutter.text[start:end], start=start, end=end)
            (part,) = cutter.counted([part], fits)
            yield from _within(part, cutter, fits) if part.lost and end - start > 1 else [part]


def _told(document: Document) -> list[Section]:
    """Its sections, of which one that is a heading alone goes with the section below it, under the heading of that: a
    title by itself fits many questions and answers none."""
    sections, text = document.sections, document.text
    kept: list[Section] = []
    first: Section | None = None  # of the headings that wait for what is below them
    for section, after in itertools.zip_longest(sections, sections[1:]):
        said = text[section.start : after.start if after else len(text)].strip().strip("#").strip()
        alone = bool(section.heading and said) and "\n" not in said and section.heading.endswith(said)
        if alone and after is not None and not after.apart:
            first = first or section
            continue
        kept.append(replace(section, start=first.start, page=first.page) if first else section)
        first = None
    return kept


def _regions(document: Document, sections: list[Section], by: By) -> Iterator[Span]:
    """Stretches that no chunk leaves."""
    borders = [0]
    before: Section | None = None
    for section in sections:
        other = before is not None and (section.heading != before.heading)
        if section.start > borders[-1] and (section.apart or (by == "headings" and other)):
            borders.append(section.start)
        before = section
    yield from itertools.pairwise([*borders, len(document.text)])


class _Cutter:
    def __init__(self, text: str, engine: "Engine", chunking: Chunking) -> None:
        self.text, self._tokenizer, self._by = text, engine.tokenizer, chunking.by
        self.size, self._overlap = chunking.size, chunking.overlap

    def counted(self, chunks: list[Chunk], fits: int) -> list[Chunk]:
        """The same chunks with their numbers of tokens. fits: how many the model reads."""

        def counts(texts: list[str]) -> list[int]:
            return [len(ids) for ids in self._tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"]]

        own = counts([chunk.text for chunk in chunks])
        titled = [chunk.indexed != chunk.text for chunk in chunks]
        longer = iter(counts([chunk.indexed for chunk, is_so in zip(chunks, titled, strict=True) if is_so] or [""]))
        whole = [next(longer) if is_so else n for n, is_so in zip(own, titled, strict=True)]
        return [
            replace(chunk, n_tokens=n, lost=max(all_of_it - fits, 0))
            for chunk, n, all_of_it in zip(chunks, own, whole, strict=True)
        ]

    def spans(self, begin: int, end: int) -> Iterator[Span]:
        if self._by == "characters":
            return self._characters(begin, end)
        return self._packed(self._words(begin, end) if self._by == "tokens" else self._pieces(begin, end))

    def _tokens(self, begin: int, end: int) -> Iterator[tuple[Span, list[Span]]]:
        """(sentence, its tokens), all as characters of the text."""
        for batch in _batched(sentences.spans(self.text, begin, end), _TOGETHER):
            encoded = self._tokenizer(
                [self.text[a:b] for a, b in batch],
                add_special_tokens=False, return_offsets_mapping=True, verbose=False,
            )  # fmt: skip
            for (a, b), offsets in zip(batch, encoded["offset_mapping"], strict=True):
                yield (a, b), [(a + x, a + y) for x, y in offsets]

    def _packed(self, pieces: Iterator[tuple[Span, int]]) -> Iterator[Span]:
        """Whole pieces; the last ones of a chunk, up to `overlap` tokens, are the first of the next."""
        held: list[tuple[Span, int]] = []
        n_held = fresh = 0
        for span, n in pieces:
            if held and n_held + n > self.size:
                yield held[0][0][0], held[-1][0][1]
                while held and (n_held > self._overlap or n_held + n > self.size):
                    n_held -= held.pop(0)[1]
                fresh = 0
            held.append((span, n))
            n_held, fresh = n_held + n, fresh + 1
        if fresh:
            yield held[0][0][0], held[-1][0][1]

    def _pieces(self, begin: int, end: int) -> Iterator[tuple[Span, int]]:
        """Sentences with their numbers of tokens; one that is longer than a chunk comes in parts."""
        for (a, b), tokens in self._tokens(begin, end):
            if len(tokens) <= self.size:
                yield (a, b), len(tokens)
                continue
            for at in range(0, len(tokens), self.size):
                part = tokens[at : at + self.size]
                yield (part[0][0], part[-1][1]), len(part)

    def _words(self, begin: int, end: int) -> Iterator[tuple[Span, int]]:
        """Words with their numbers of tokens: a window that began inside one would be read as other tokens."""
        for _, tokens in self._tokens(begin, end):
            start = stop = n = 0
            for a, b in tokens:
                inside = n and a == stop and self.text[a - 1].isalnum() and self.text[a : a + 1].isalnum()
                if n and (not inside or n == self.size):
                    yield (start, stop), n
                    n = 0
                start, stop, n = start if n else a, b, n + 1
            if n:
                yield (start, stop), n

    def _characters(self, begin: int, end: int) -> Iterator[Span]:
        size, step_back = self.size, self._overlap
        at = begin
        while at < end:
            stop = min(at + size, end)
            if stop < end:  # not in the middle of a word, where there is a space near
                space = max(self.text.rfind(" ", at, stop), self.text.rfind("\n", at, stop))
                stop = space if space > at + size * 4 // 5 else stop
            yield from _trim(self.text, at, stop)
            if stop >= end:
                return
            at = max(stop - step_back, at + 1)


def _trim(text: str, start: int, end: int) -> Iterator[Span]:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    if start < end:
        yield start, end


_T = TypeVar("_T")


def _batched(items: Iterable[_T], n: int) -> Iterator[list[_T]]:
    iterator = iter(items)
    while batch := list(itertools.islice(iterator, n)):
        yield batch
