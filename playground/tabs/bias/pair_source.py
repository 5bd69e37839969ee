"""Where pairs come from on the page: templates by words, or a file. It does not know what is done with them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from playground.labs.bias import data
from playground.tabs.bias import outcome

MOST_BYTES = 20_000_000


@dataclass(frozen=True, eq=False)
class PairSource:
    first: gr.Textbox
    second: gr.Textbox
    words: gr.Textbox
    file: gr.File
    most: gr.Number

    @property
    def all(self) -> set[gr.components.Component]:
        return {self.first, self.second, self.words, self.file, self.most}

    @property
    def boxes(self) -> list[gr.components.Component]:
        """Those that an example fills."""
        return [self.first, self.second, self.words, self.file]

    def pairs(self, values: dict) -> tuple[Any, str]:
        """The pairs, and how they came, in words.

        Raises:
            PlaygroundError: there are none, or they cannot be read.
        """
        from playground.errors import PlaygroundError
        from playground.labs.bias import pairs as lab

        most = int(values[self.most] or 0)
        if values[self.file]:
            path = Path(values[self.file])
            if path.stat().st_size > MOST_BYTES:
                raise PlaygroundError(f"The file is larger than {MOST_BYTES // 1_000_000} MB. Take a part of it.")
            found, how = lab.from_table(path.read_bytes())
            told = f"{path.name}: {len(found):,} pairs, {how}"
        else:
            templates = [outcome.lines(values[box]) for box in (self.first, self.second)]
            found = lab.from_templates(*templates, outcome.words(values[self.words]))
            told = f"{len(found)} pairs of templates"
        if most and most < len(found):
            found, told = found[:most], f"{told}; the first {most:,}"
        return found, told


def build(name: str, example: dict) -> PairSource:
    values = filled(example)
    with gr.Row(elem_classes="asked"):
        first = gr.Textbox(
            values[0],
            label="First sentences",
            info="Templates with {word}, one a line.",
            lines=3,
            min_width=280,
            elem_id=f"{name}-first",
        )
        second = gr.Textbox(
            values[1],
            label="Second sentences",
            info="The same but for the group, line by line.",
            lines=3,
            min_width=280,
            elem_id=f"{name}-second",
        )
        words = gr.Textbox(
            values[2], label="Words", info="For {word}.", lines=3, min_width=240, elem_id=f"{name}-words"
        )
    with gr.Accordion("A file instead: CrowS-Pairs, Winogender, or your own CSV", open=False, elem_id=f"{name}-own"):
        gr.HTML(
            "<p class='note'>CrowS-Pairs' crows_pairs_anonymized.csv or Winogender's all_sentences.tsv as "
            "published, or two "
            "columns “first” and “second” with a sentence each and perhaps “category”. "
            f"{_warning()}</p>"
        )
        with gr.Row():
            file = gr.File(label="CSV or TSV", file_types=[".csv", ".tsv"], height=120, elem_id=f"{name}-file")
            most = gr.Number(0, label="Only the first", info="0: all.", precision=0, minimum=0, elem_id=f"{name}-most")
    return PairSource(first, second, words, file, most)


def _warning() -> str:
    from html import escape

    from playground.labs.bias.pairs import WARNING

    return f"<b>About CrowS-Pairs:</b> {escape(WARNING)}"


def filled(example: dict) -> list:
    """What an example puts into the boxes."""
    return ["\n".join(example["first"]), "\n".join(example["second"]), ", ".join(example["words"]), None]


def shipped() -> list[dict]:
    return data.tables()["pairs"]
