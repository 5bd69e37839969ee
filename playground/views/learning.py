"""Explanations, exercises and the tour as safe HTML. Every text is there in all languages; the page shows one.

Which one, is up to assets/style.css and assets/guide.js: switching needs no server.
"""

import string
from collections.abc import Mapping
from html import escape

from playground.labs.learning.texts import LANGUAGES, Exercise, Lesson, Paper, Said, Step

TAGS = {"en": "en", "zh": "zh-Hans"}  # what a screen reader is told of each


def said(text: Said, tag: str = "span", facts: Mapping[str, str] | None = None) -> str:
    """An element a language. `facts` fill the {braces} of a text; without them braces are left as they are."""
    return "".join(
        f'<{tag} class="tongue" lang="{TAGS[language]}">{_written(text.of(language), facts)}</{tag}>'
        for language in LANGUAGES
    )


def lesson(shown: Lesson, words: Mapping[str, Said]) -> str:
    """What a tab explains, closed: text, what it does not show, exercises, papers."""
    what = "".join(f"<p>{said(part)}</p>" for part in shown.what)
    limits = f'<p class="limits"><b>{said(words["limits"])}</b> {said(shown.limits)}</p>'
    exercises = "".join(_exercise(one, words) for one in shown.exercises)
    papers = "".join(map(_paper, shown.papers))
    return (
        f'<details class="lesson"><summary>{said(words["heading"])}</summary>{what}{limits}'
        f'<h3>{said(words["exercises"])}</h3><div class="exercises">{exercises}</div>'
        f'<h3>{said(words["papers"])}</h3><ul class="papers">{papers}</ul></details>'
    )


def answered(
    exercise: Exercise, words: Mapping[str, Said], guess: str, right: str, facts: Mapping[str, str], model: str
) -> str:
    """What the model did, beside what was guessed. `model`: the name of the one that it was measured on."""
    verdict = said(words["right"]) if guess == right else f"{said(words['wrong'])} {said(exercise.choice(right))}"
    return (
        f"<p><b>{verdict}</b></p><p>{said(exercise.reveal, facts=facts)}</p><p>{said(exercise.why)}</p>"
        f'<p class="note">{said(words["measured"], facts={"model": model})}</p>'
    )


def failed(words: Mapping[str, Said], reason: str) -> str:
    return f'<p>{said(words["failed"])} <span lang="en">{escape(reason)}</span></p>'


def guide(words: Mapping[str, Said], steps: tuple[Step, ...]) -> str:
    """The right of the page's head: invitation, tour, languages; and the card that the tour is shown on."""
    switch = "".join(
        f'<button type="button" class="press" data-language="{language}" lang="{TAGS[language]}" aria-pressed="false">'
        f"{escape(name)}</button>"
        for language, name in LANGUAGES.items()
    )
    cards = "".join(
        f'<div class="step" data-tab="{escape(step.tab)}" data-target="{escape(step.target)}" hidden>'
        f'<h2 tabindex="-1">{said(step.heading)}</h2><p>{said(step.text)}</p></div>'
        for step in steps
    )
    return (
        '<div class="guide">'
        f'<p class="invitation" hidden>{said(words["invitation"])} '
        f'<button type="button" class="press first start">{said(words["invite"])}</button> '
        f'<button type="button" class="press dismiss">{said(words["dismiss"])}</button></p>'
        f'<button type="button" class="press start again" hidden>{said(words["tour"])}</button>'
        f'<div class="languages" role="group" aria-label="Language of the explanations">{switch}</div>'
        f'<div class="tour" popover="manual" role="dialog" aria-labelledby="tour-where">'
        f'<p id="tour-where" class="note"><span>{said(words["tour"])}</span> <span class="count"></span></p>{cards}'
        f'<div class="actions"><button type="button" class="press close">{said(words["close"])}</button>'
        f'<button type="button" class="press back">{said(words["back"])}</button>'
        f'<button type="button" class="press first next">{said(words["next"])}</button>'
        f'<button type="button" class="press first done">{said(words["done"])}</button></div></div></div>'
    )


def _exercise(exercise: Exercise, words: Mapping[str, Said]) -> str:
    name = escape(exercise.answer)
    choices = "".join(
        f'<label data-choice="{key}"><input type="radio" name="guess-{name}" value="{key}"> {said(text)}</label>'
        for key, text in ((escape(choice.key), choice.text) for choice in exercise.choices)
    )
    notes = "".join(f'<span data-note="{note}" hidden>{said(words[note])}</span>' for note in ("pick", "working"))
    return (
        f'<fieldset class="exercise" data-answer="{name}"><legend>{said(exercise.question)}</legend>'
        f'<div class="guesses">{choices}</div>'
        f'<button type="button" class="press first reveal">{said(words["ask"])}</button>{notes}'
        '<div class="revealed" role="status"></div></fieldset>'
    )


def _paper(paper: Paper) -> str:
    return (
        f'<li lang="en">{escape(paper.authors)} {paper.year}: <a href="{escape(paper.url)}" target="_blank" '
        f'rel="noopener noreferrer">{escape(paper.title)}</a></li>'
    )


def _written(text: str, facts: Mapping[str, str] | None) -> str:
    """Escaped; what stands in backticks as code, in English for whoever reads it aloud."""
    if facts is not None:
        text = _filled(text, facts)
    parts = text.split("`")
    return "".join(
        f'<code lang="en">{escape(part.replace(_QUOTE, "`"))}</code>' if odd else escape(part.replace(_QUOTE, "`"))
        for part, odd in zip(parts, [False, True] * len(parts), strict=False)
    )


_QUOTE = "\ue000"  # a backtick of a fact, which is no mark of ours


def _filled(text: str, facts: Mapping[str, str]) -> str:
    clean = {name: (fact.strip() or repr(fact)).replace("`", _QUOTE) for name, fact in facts.items()}
    return string.Formatter().vformat(text, (), clean)
