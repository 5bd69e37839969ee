"""Explanations as HTML: whole in every language, and nothing that a model says becomes a tag."""

from html.parser import HTMLParser

import pytest

from playground.labs.learning import texts
from playground.tabs import TABS
from playground.views import learning

HOSTILE = "<script>alert(1)</script>`&{p}"


class Seen(HTMLParser):
    """Tags, attributes and text of a piece of HTML, as a browser would take it."""

    def __init__(self, html: str):
        super().__init__()
        self.tags, self.attributes, self.text = [], [], ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.text += data


def exercise(name: str) -> texts.Exercise:
    return next(one for one in texts.lesson("Chat").exercises if one.answer == name)


@pytest.mark.parametrize("title", [tab.TITLE for tab in TABS])
def test_a_lesson_is_there_in_every_language_with_its_choices_and_papers(title):
    lesson = texts.lesson(title)
    seen = Seen(learning.lesson(lesson, texts.words()))
    tongues = [value for name, value in seen.attributes if name == "lang"]
    assert tongues.count("zh-Hans") > 10
    for language in texts.LANGUAGES:
        for part in (*lesson.what, lesson.limits, *(one.question for one in lesson.exercises)):
            assert part.of(language).replace("`", "") in seen.text
    keys = [choice.key for one in lesson.exercises for choice in one.choices]
    assert [value for name, value in seen.attributes if name == "value"] == keys
    assert [value for name, value in seen.attributes if name == "href"] == [paper.url for paper in lesson.papers]
    assert "{" not in Seen(learning.lesson(lesson, texts.words())).text


def test_what_a_model_says_stays_text():
    facts = {"token": HOSTILE, "p": "77", "second": " ", "p2": "<b>"}
    html = learning.answered(exercise("next_token"), texts.words(), "paris", "else", facts, HOSTILE)
    seen = Seen(html)
    assert "script" not in seen.tags
    assert f"Most probable is {HOSTILE} with 77 %, then ' ' with <b> %." in seen.text
    assert f"Measured just now on {HOSTILE}." in seen.text
    assert "Not what you guessed. It is:" in seen.text and "something else" in seen.text
    assert "script" not in Seen(learning.failed(texts.words(), HOSTILE)).tags
    assert HOSTILE in Seen(learning.failed(texts.words(), HOSTILE)).text


def test_a_right_guess_is_told_so():
    facts = dict.fromkeys(exercise("next_token").facts, "1")
    seen = Seen(learning.answered(exercise("next_token"), texts.words(), "the", "the", facts, "a model"))
    assert "You guessed right." in seen.text and "猜对了" in seen.text
    assert "Not what you guessed" not in seen.text


def test_the_guide_has_a_switch_for_each_language_and_a_card_for_each_step():
    seen = Seen(learning.guide(texts.words(), texts.tour()))
    assert [value for name, value in seen.attributes if name == "data-language"] == list(texts.LANGUAGES)
    assert [value for name, value in seen.attributes if name == "data-target"] == [step.target for step in texts.tour()]
