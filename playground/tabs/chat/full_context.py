"""What is offered when a conversation no longer fits: leave out the oldest messages, sum them up, or stop.

It does not know how a reply is written: the conversation pane does that.
"""

from dataclasses import dataclass

import gradio as gr

from playground.errors import PlaygroundError
from playground.labs.chat.conversations import Conversation, Thread
from playground.tabs import results
from playground.views import context as view

LEAVE_OUT, SUM_UP = "leave out", "sum up"  # what may be done
SUMMING_UP = "summing up the oldest messages …"


@dataclass(frozen=True, eq=False)
class Refused:
    """What could not be answered, to be tried again."""

    asked: Thread
    text: str  # what was typed; empty: it was asked before
    words: str  # says what does not fit, as HTML


@dataclass(frozen=True)
class Offer:
    """The components."""

    place: gr.Column
    words: gr.HTML
    leave_out: gr.Button
    sum_up: gr.Button
    dismiss: gr.Button
    refused: gr.State  # a `Refused`

    @property
    def screen(self) -> list[gr.components.Component]:
        return [self.place, self.words, self.refused]

    def show(self, refused: Refused | None) -> dict:
        """The offer, or nothing."""
        words = refused.words if refused else ""
        return {self.place: gr.update(visible=refused is not None), self.words: words, self.refused: refused}


def build() -> Offer:
    with gr.Column(visible=False, elem_id="full-context") as place:
        words = gr.HTML(elem_classes=results.NO_RESULT)
        with gr.Row(elem_classes="lesser"):
            leave_out = gr.Button("Leave them out and go on", size="sm", min_width=0, elem_id="leave-out")
            sum_up = gr.Button("Let the model sum them up", size="sm", min_width=0, elem_id="sum-up")
            dismiss = gr.Button("Stop here", size="sm", min_width=0, elem_id="stop-here")
    return Offer(place, words, leave_out, sum_up, dismiss, gr.State())


def refuse(asked: Thread, text: str, overflow, title: str) -> Refused:
    """The offer for a conversation that does not fit (`labs.context.Overflow`).

    Raises:
        PlaygroundError: nothing can be left out: the last message alone is too long.
    """
    if not overflow.n_oldest:
        raise PlaygroundError(
            f"The text is {overflow.n_tokens:,} tokens long and {title} holds {overflow.limit:,}, its reply included. "
            "Shorten the message; nothing was cut."
        )
    nodes, _ = asked.now.given()
    oldest = [node.content for node in nodes[: overflow.n_oldest]]
    return Refused(asked, text, view.full(overflow, oldest, title))


def shortened(conversation: Conversation, n_oldest: int, summary: str) -> Conversation:
    """The same, of which a model is given all but the oldest messages from its last one on."""
    nodes, _ = conversation.given()
    return conversation.shorten(nodes[n_oldest].id, summary)
