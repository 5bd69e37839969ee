"""What every tab has on top, an explanation with exercises, and the page's head with the tour.

The words are in assets/learn, what a browser does with them in assets/learn.js and assets/guide.js.
"""

import time

import gradio as gr

from playground.assets import ASSETS
from playground.errors import PlaygroundError
from playground.labs.learning import texts
from playground.tabs import results
from playground.tabs.kit import AT_ONCE, Page, in_words, title_of
from playground.views import learning as view

UNANSWERED = "() => { window.dispatchEvent(new CustomEvent('playground-unanswered')); }"


def masthead() -> gr.HTML:
    """The page's head: its name, the tour, and the language of the explanations."""
    head = (ASSETS / "header.html").read_text("utf-8")
    guide = view.guide(texts.words(), texts.tour())
    return gr.HTML(
        html_template=head.replace("</header>", f"{guide}</header>"),
        js_on_load=(ASSETS / "guide.js").read_text("utf-8"),
        elem_id="masthead",
    )


def build(page: Page, title: str) -> gr.HTML | None:
    """What the tab with this title explains; nothing, where nobody has written it yet."""
    lesson = texts.lesson(title)
    if lesson is None:
        return None
    box = gr.HTML(
        html_template=view.lesson(lesson, texts.words()),
        js_on_load=(ASSETS / "learn.js").read_text("utf-8"),
        elem_classes=["learn", results.NO_RESULT],
    )

    def reveal(reference: str | None, event: gr.EventData) -> dict:
        return revealed(page, lesson, reference or "", event.answer, event.guess)

    asked = box.guessed(reveal, page.reference, box, trigger_mode="multiple", **page.queued)  # two may wait at once
    asked.failure(None, None, None, js=UNANSWERED, **AT_ONCE)  # refused before it began: the page said why
    return box


def revealed(page: Page, lesson: texts.Lesson, reference: str, name: str, guess: str) -> dict:
    """What learn.js shows behind one exercise, once the model has answered it; or why it has not."""
    words = texts.words()
    try:
        exercise = next((one for one in lesson.exercises if one.answer == name), None)
        if exercise is None:
            raise PlaygroundError("There is no such exercise in this tab. Reload the page.")
        from playground.labs.learning import answers

        found = answers.answer(name, answers.Asked(page.models, page.settings, reference))
        html = view.answered(exercise, words, str(guess), found.choice, found.facts, title_of(found.model))
        right = found.choice
    except Exception as error:  # told where the answer would stand, so that the question is not lost
        html, right = view.failed(words, in_words(error)), ""
    return {"answer": name, "right": right, "html": html, "number": time.time_ns()}
