"""What a model is asked to go on from, in the panes that intervene: a text as it is, or a message in a chat.

It does not know what is changed inside.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import gradio as gr

from playground.tabs.kit import Parcel

if TYPE_CHECKING:  # torch, which a page that is being laid out must not wait for
    from torch import Tensor

    from playground.engine.engine import Engine
    from playground.engine.sampling import Sampling

PLAIN, MESSAGE = "Text to continue", "Chat message"
COMPLETE = "Text with its special tokens"  # as other tabs send it: none is added


@dataclass(frozen=True, eq=False)
class Prompt:
    """The components that say what is written on, and how."""

    text: gr.Textbox
    kind: gr.Radio
    tokens: gr.Slider
    temperature: gr.Slider

    @property
    def all(self) -> set[gr.components.Component]:
        return {self.text, self.kind, self.tokens, self.temperature}

    @property
    def boxes(self) -> dict[str, gr.components.Component]:
        """What goes into a link."""
        return {"text": self.text, "as": self.kind, "tokens": self.tokens, "temperature": self.temperature}

    def complete(self, engine: Engine, values: dict) -> tuple[str, bool]:
        """The text that the model reads, and whether special tokens are in it already.

        Raises:
            PlaygroundError: there is none, or the model has no chat template.
        """
        from playground.labs.chat import replies

        if values[self.kind] != MESSAGE:
            return values[self.text] or "", values[self.kind] == COMPLETE
        return replies.render(engine, [{"role": "user", "content": values[self.text] or ""}]), True

    def ids(self, engine: Engine, values: dict) -> Tensor:
        """The same as ids, (1, position)."""
        from playground.labs.internals import contrasts

        return contrasts.encoded(engine, *self.complete(engine, values))

    def given(self, values: dict) -> str:
        """What stands before the continuation on the page."""
        return (values[self.text] or "") if values[self.kind] != MESSAGE else ""

    def received(self, parcel: Parcel) -> dict:
        """What comes from another tab, in the boxes."""
        kind = COMPLETE if parcel.complete else MESSAGE if parcel.message else PLAIN
        return {self.text: parcel.text, self.kind: kind}

    def sent(self, values: dict) -> Parcel:
        """What stands in the boxes, for another tab."""
        kind = values[self.kind]
        return Parcel(values[self.text] or "", complete=kind == COMPLETE, message=kind == MESSAGE)

    def sampling(self, values: dict) -> Sampling:
        from playground.engine.sampling import Sampling

        return Sampling(max_new_tokens=int(values[self.tokens]), temperature=float(values[self.temperature]))


def build(text: str, name: str, tokens: int = 40) -> Prompt:
    """Lays out the box and the choices beside it. name: of the pane, for the elements' ids."""
    with gr.Column(scale=3, min_width=300):
        box = gr.Textbox(
            text,
            label="What the model goes on from",
            lines=2,
            max_lines=8,
            elem_id=f"{name}-text",
        )
        kind = gr.Radio([PLAIN, MESSAGE, COMPLETE], value=PLAIN, label="As", elem_id=f"{name}-kind")
        with gr.Row():
            length = gr.Slider(5, 120, tokens, step=5, label="Tokens to write", min_width=140)
            temperature = gr.Slider(
                0, 1.5, 0, step=0.1, label="Temperature", info="0: always the likeliest token.", min_width=140
            )
    return Prompt(box, kind, length, temperature)
