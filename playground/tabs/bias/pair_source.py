"""Where pairs come from on the page: templates by words, Winogender, or a file.

It does not know what is done with them.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr

from playground.labs.bias import data
from playground.tabs import sending
from playground.tabs.bias import outcome
from playground.tabs.files import uploaded
from playground.tabs.forms import Box
from playground.tabs.kit import AT_ONCE, Parcel

MOST_BYTES = 20_000_000
TEMPLATES, WINOGENDER, FILE = "Templates by words", "Winogender", "A file: CrowS-Pairs or my own"
SOURCES = (TEMPLATES, WINOGENDER, FILE)
THE_FIRST, THE_SECOND = "the first sentence of the first pair", "its second sentence"
READ = (sending.FILL, *sending.elsewhere(sending.A_TEXT, sending.BIAS, sending.SEARCH))
SENDING = dict.fromkeys((THE_FIRST, THE_SECOND), READ)


@dataclass(frozen=True, eq=False)
class PairSource:
    data: gr.Radio
    first: gr.Textbox
    second: gr.Textbox
    words: gr.Textbox
    file: gr.File
    most: gr.Number

    @property
    def all(self) -> set[gr.components.Component]:
        return {self.data, self.first, self.second, self.words, self.file, self.most}

    @property
    def boxes(self) -> list[gr.components.Component]:
        """Those that an example fills."""
        return [self.data, self.first, self.second, self.words]

    @property
    def linked(self) -> dict[str, Box]:
        """What goes into a link; a file stays here."""
        boxes = {name: Box(getattr(self, name)) for name in ("first", "second", "words", "most")}
        return boxes | {"data": Box(self.data, choices=(TEMPLATES, WINOGENDER))}

    def pairs(self, values: dict) -> tuple[Any, str]:
        """The pairs, and how they came, in words.

        Raises:
            PlaygroundError: there are none, or they cannot be read.
        """
        from playground.labs.bias import pairs as lab

        most = int(values[self.most] or 0)
        if values[self.data] == WINOGENDER:
            found = lab.winogender()
            told = f"Winogender: {len(found)} pairs, he against she"
        elif values[self.data] == FILE:
            found, told = _of_file(values[self.file])
        else:
            templates = [outcome.lines(values[box]) for box in (self.first, self.second)]
            found = lab.from_templates(*templates, outcome.words(values[self.words]))
            told = f"{len(found)} pairs of templates"
        if most and most < len(found):
            found, told = found[:most], f"{told}; the first {most:,}"
        return found, told

    def parcel(self, values: dict, what: str) -> Parcel:
        """What is sent to other tabs. Raises PlaygroundError: there are no pairs."""
        pairs, _ = self.pairs(values)
        return Parcel(pairs[0].first if what == THE_FIRST else pairs[0].second)

    def remarks(self, values: dict) -> tuple[str, ...]:
        """What is to be known of the data that were chosen, beside what every score is told with."""
        from playground.labs.bias import pairs as lab

        return (lab.WINOGENDER,) if values[self.data] == WINOGENDER else ()


def _of_file(given: str | None) -> tuple[Any, str]:
    from playground.errors import PlaygroundError
    from playground.labs.bias import pairs as lab

    if not given:
        raise PlaygroundError("There is no file yet. Upload a CSV or TSV, or pick other pairs.")
    path = uploaded(given)
    if path.stat().st_size > MOST_BYTES:
        raise PlaygroundError(f"The file is larger than {MOST_BYTES // 1_000_000} MB. Take a part of it.")
    found, how = lab.from_table(path.read_bytes())
    return found, f"{path.name}: {len(found):,} pairs, {how}"


def build(name: str, example: dict) -> PairSource:
    """Lays out the choice of the pairs, and under it what belongs to each."""
    from playground.labs.bias.pairs import WARNING
    from playground.labs.bias.pairs import WINOGENDER as ABOUT

    _, *values = filled(example)
    with gr.Row(elem_classes="asked"):
        source = gr.Radio(SOURCES, value=TEMPLATES, label="Pairs from", min_width=280, scale=3, elem_id=f"{name}-data")
        most = gr.Number(
            0, label="Only the first", info="0: all.", precision=0, minimum=0, min_width=120, elem_id=f"{name}-most"
        )
    boxes = []
    with gr.Row(elem_classes="asked") as templates:
        for part, value, label, info in zip(
            ("first", "second", "words"),
            values,
            ("First sentences", "Second sentences", "Words"),
            ("Templates with {word}, one a line.", "The same but for the group, line by line.", "For {word}."),
            strict=True,
        ):
            boxes.append(gr.Textbox(value, label=label, info=info, lines=3, min_width=240, elem_id=f"{name}-{part}"))
    about = gr.HTML(
        "<p class='note'>120 pairs that come with the page (MIT licence): 60 occupations, two sentences each, the "
        "same but for “he” and “she”. Categories: the share of women in the occupation by U.S. labour statistics, in "
        "thirds. "
        f"{escape(ABOUT)}</p>",
        visible=False,
    )
    with gr.Column(visible=False) as own:
        gr.HTML(
            "<p class='note'>CrowS-Pairs' crows_pairs_anonymized.csv or Winogender's all_sentences.tsv as published, "
            "or two columns “first” and “second” with a sentence each and perhaps “category”. "
            f"<b>About CrowS-Pairs:</b> {escape(WARNING)}</p>"
        )
        file = gr.File(label="CSV or TSV", file_types=[".csv", ".tsv"], height=120, elem_id=f"{name}-file")

    def show(chosen: str) -> list:
        return [gr.update(visible=chosen == one) for one in SOURCES]

    source.change(show, source, [templates, about, own], **AT_ONCE)
    return PairSource(source, *boxes, file, most)


def filled(example: dict) -> list:
    """What an example puts into `PairSource.boxes`; one without templates leaves them as they are."""
    if "first" not in example:
        return [WINOGENDER, *[gr.skip()] * 3]
    return [TEMPLATES, "\n".join(example["first"]), "\n".join(example["second"]), ", ".join(example["words"])]


def shipped() -> list[dict]:
    return [*data.tables()["pairs"], {"caption": "Winogender: he or she in 60 occupations"}]
