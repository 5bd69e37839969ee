"""The controls of sampling, for every tab that generates. It does not know what is generated."""

import re
from dataclasses import dataclass
from typing import Any

import gradio as gr

from playground.errors import PlaygroundError
from playground.tabs.kit import AT_ONCE, Page
from playground.views import words as words_view
from playground.views.continuations import note


@dataclass(frozen=True)
class Controls:
    """The components. A handler that has `all` among its set of inputs gets its settings by `read`."""

    temperature: gr.Slider
    top_p: gr.Slider
    top_k: gr.Slider
    repetition_penalty: gr.Slider
    no_repeat_ngram: gr.Slider
    min_p: gr.Slider
    typical_p: gr.Slider
    max_new_tokens: gr.Slider
    seed: gr.Textbox  # not a gr.Number: that one turns empty into 0
    stop: gr.Textbox
    word_bias: gr.Textbox
    beams: gr.Slider
    length_penalty: gr.Slider
    early_stopping: gr.Checkbox
    greedy: gr.Checkbox

    @property
    def all(self) -> set[gr.components.Component]:
        return set(vars(self).values())

    def set(self, settings: dict[str, Any]) -> dict[gr.components.Component, Any]:
        """Updates that put the controls on `settings`, and all others on their defaults."""
        return {component: settings.get(name, component.value) for name, component in vars(self).items()}

    def read(self, values: dict[gr.components.Component, Any]) -> Any:
        """The `Sampling` that the controls stand on. Raises PlaygroundError for settings that cannot be used."""
        from playground.engine.sampling import Sampling  # imports torch

        chosen = {name: values[component] for name, component in vars(self).items() if name != "greedy"}
        if values[self.greedy]:
            chosen["temperature"] = 0.0
        typed = {"seed": whole_number, "stop": stop_strings, "word_bias": word_biases}
        return Sampling(**chosen | {name: read(chosen[name]) for name, read in typed.items()})


def whole_number(text: str | None) -> int | None:
    """A typed seed; None when the box is empty."""
    if not (text or "").strip():
        return None
    try:
        return int(text)
    except ValueError:
        raise PlaygroundError(
            f"The seed is {text!r}. Type a whole number, or leave it empty for a random one."
        ) from None


def stop_strings(text: str | None) -> tuple[str, ...]:
    """The stop strings in a box, one a line: \\n is a line break, \\t a tab, \\\\ a backslash."""
    lines = [line for line in (text or "").split("\n") if line]
    return tuple(re.sub(r"\\([nt\\])", lambda match: _ESCAPES[match[1]], line) for line in lines)


_ESCAPES = {"n": "\n", "t": "\t", "\\": "\\"}


def word_biases(text: str | None) -> tuple[tuple[str, float], ...]:
    """The words and numbers in a box, one of each a line.

    Raises:
        PlaygroundError: names the line that cannot be read.
    """
    found: dict[str, float] = {}
    for number, line in enumerate((text or "").split("\n"), start=1):
        if not line.strip():
            continue
        word, _, value = (part.strip() for part in line.rpartition(":"))
        try:
            bias = float(value.replace("\N{MINUS SIGN}", "-"))
        except ValueError:
            bias = None
        if not word or bias is None or not -100 <= bias <= 100:
            raise PlaygroundError(
                f"Line {number} of the logit bias is {line.strip()!r}. "
                "Write a word, a colon and a number from -100 to 100, like Paris: -5"
            )
        if word in found:
            raise PlaygroundError(f"Line {number} of the logit bias names {word!r} a second time. Keep one of them.")
        found[word] = bias
    return tuple(found.items())


def build(page: Page | None = None) -> Controls:
    """Lays out the controls. Temperature and top-p begin low: small models lose the thread at more.

    Args:
        page: the page whose picked model says which tokens a word stands for; without it that is not shown.
    """
    greedy = gr.Checkbox(False, label="Greedy", info="Always the likeliest token: the same text every time.")
    temperature = gr.Slider(
        0, 2, 0.2, step=0.05, label="Temperature", info="Low: likely words. High: surprising ones. 0 is greedy."
    )
    top_p = gr.Slider(
        0.05, 1, 0.9, step=0.05, label="Top-p", info="Draw from the likeliest tokens that share this much probability."
    )
    top_k = gr.Slider(0, 200, 50, step=1, label="Top-k", info="Draw from this many likeliest tokens. 0: from all.")
    most = min(2048, (page and page.settings.most_new_tokens) or 2048)
    max_new_tokens = gr.Slider(
        1, most, min(256, most), step=1, label="Max new tokens", info="The reply is cut after so many."
    )
    seed = gr.Textbox(label="Seed", placeholder="random", info="The same seed and settings give the same text.")
    with gr.Accordion("More ways to choose", open=False):
        rarer = _rarer()
    with gr.Accordion("Stop strings and logit bias", open=False):
        worded = _worded(page)
    with gr.Accordion("Beam search", open=False):
        beams = _beams()
    controls = Controls(
        temperature=temperature,
        top_p=top_p,
        top_k=top_k,
        max_new_tokens=max_new_tokens,
        seed=seed,
        greedy=greedy,
        **rarer,
        **worded,
        **beams,
    )
    _grey_what_has_no_effect(controls)
    return controls


def _grey_what_has_no_effect(controls: Controls) -> None:
    """Greedy decoding draws nothing, and neither do beams; what is for beams alone is of no use to one text."""
    drawing = [controls.temperature, controls.top_p, controls.top_k, controls.seed, controls.min_p, controls.typical_p]
    of_beams = [controls.length_penalty, controls.early_stopping]

    def grey(greedy: bool, n_beams: int) -> list[dict]:
        several = n_beams > 1
        return [
            *[gr.update(interactive=not greedy and not several)] * len(drawing),
            gr.update(interactive=not several),
            *[gr.update(interactive=several)] * len(of_beams),
        ]

    turned = [controls.greedy.change, controls.beams.change]
    gr.on(turned, grey, [controls.greedy, controls.beams], [*drawing, controls.greedy, *of_beams], **AT_ONCE)


def _worded(page: Page | None) -> dict[str, gr.Textbox]:
    """The controls that are typed."""
    stop = gr.Textbox(
        label="Stop strings",
        info=r"One a line. The text ends where one of them would begin. \n is a line break.",
        placeholder=r"\n\n",
        lines=2,
        max_lines=6,
    )
    word_bias = gr.Textbox(
        label="Logit bias",
        info="One word, a colon and a number a line. -100: the word never begins. 100: nothing else comes.",
        placeholder="Paris: -5",
        lines=2,
        max_lines=8,
    )
    meant = gr.HTML(visible=False, padding=False, elem_classes="meant")
    if page is not None:

        def explain(text: str, reference: str) -> dict:
            said = meaning(page, text, reference)
            return gr.update(value=said, visible=bool(said))

        wiring = {"fn": explain, "inputs": [word_bias, page.reference], "outputs": meant} | AT_ONCE
        gr.on([word_bias.change, page.reference.change], trigger_mode="always_last", **wiring)
        page.made_ready.success(**wiring)
    return {"stop": stop, "word_bias": word_bias}


def meaning(page: Page, text: str, reference: str) -> str:
    """Which tokens the words in the box stand for in the picked model, or what is wrong with them, as safe HTML."""
    try:
        biases = word_biases(text)
        if not biases:
            return ""
        if page.models.status(reference or "").state not in ("ready", "remote"):
            return note("Which tokens these words begin with is shown when the model is loaded.")
        with page.models.lease(reference) as engine:
            from playground.engine.words import first_tokens  # imports torch, as the loaded model has already done

            return words_view.meant([(word, bias, first_tokens(engine.tokenizer, word)) for word, bias in biases])
    except PlaygroundError as error:
        return note(str(error))


def _beams() -> dict[str, gr.components.Component]:
    """The controls of beam search."""
    beams = gr.Slider(
        1,
        8,
        1,
        step=1,
        label="Beams",
        info="Above 1: so many texts grow at once, and the most probable whole one is given; nothing is drawn. "
        "What streams is the best so far and may change until the end.",
    )
    length_penalty = gr.Slider(
        -2,
        3,
        1,
        step=0.1,
        label="Length penalty",
        info="A text's log-probability is divided by its length to this power. More: longer texts win.",
        interactive=False,
    )
    early_stopping = gr.Checkbox(
        False,
        label="Early stopping",
        info="End when as many texts have ended as there are beams.",
        interactive=False,
    )
    return {"beams": beams, "length_penalty": length_penalty, "early_stopping": early_stopping}


def _rarer() -> dict[str, gr.Slider]:
    """The controls that are turned less often."""
    repetition_penalty = gr.Slider(
        1, 2, 1, step=0.05, label="Repetition penalty", info="Above 1: words that were used become less likely."
    )
    no_repeat_ngram = gr.Slider(
        0, 8, 0, step=1, label="No repeated n-gram", info="No run of so many tokens comes twice. 0: it may."
    )
    min_p = gr.Slider(
        0, 0.5, 0, step=0.01, label="Min-p", info="Only tokens at least this share as likely as the likeliest."
    )
    typical_p = gr.Slider(
        0.05, 1, 1, step=0.05, label="Typical-p", info="Tokens about as surprising as expected. 1: all."
    )
    return {
        "repetition_penalty": repetition_penalty,
        "no_repeat_ngram": no_repeat_ngram,
        "min_p": min_p,
        "typical_p": typical_p,
    }
