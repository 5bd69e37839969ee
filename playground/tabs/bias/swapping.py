"""Swapped copies of texts, to fine-tune on: written, shown and downloaded. It does not know which words are swapped."""

from html import escape

import gradio as gr

from playground.tabs.bias import outcome
from playground.tabs.files import uploaded, write_files
from playground.tabs.kit import MAY_REFUSE, Page, user_errors

TEXTS = (
    "The doctor said that he would call his wife.\nShe told her brother about her job.\n"
    "The actress met the king and his son."
)


def build(page: Page) -> None:
    """An accordion with texts or a file in, and JSON lines out."""
    with gr.Accordion("Data with genders swapped, for fine-tuning", open=False, elem_id="bias-swap"):
        gr.HTML(
            "<p class='note'>Each text, and a copy with the words of one gender put for the other (Zhao et al. "
            "2018; English "
            "alone, names stay). “her” and “his” are guessed by the word that follows, and sometimes wrongly: read "
            "some before "
            "you train.</p>"
        )
        with gr.Row():
            texts = gr.Textbox(
                TEXTS, label="Texts", info="One a line.", lines=4, min_width=280, elem_id="bias-swap-texts"
            )
            file = gr.File(label="Or a text file, a text a line", file_types=[".txt"], height=120)
        make = gr.Button("Make copies", elem_id="bias-swap-make")
        shown = gr.HTML(elem_id="bias-swap-shown", elem_classes="outcome")
        made = gr.File(label="JSON lines", interactive=False)

    def work(typed: str, path: str | None) -> tuple[str, list[str]]:
        from playground.labs.bias import swapped

        with user_errors():
            given = outcome.lines(uploaded(path).read_text("utf-8", "replace") if path else typed)
            written, n = swapped.augmented(given)
            rows = "".join(f"<li>{escape(text)}<br><b>{escape(swapped.swap(text).text)}</b></li>" for text in given[:5])
            said = f"<p class='note'>{len(given):,} texts and {n:,} swapped copies.</p><ul class='note'>{rows}</ul>"
            return said, write_files({"swapped.jsonl": written})

    make.click(work, [texts, file], [shown, made], **MAY_REFUSE)
