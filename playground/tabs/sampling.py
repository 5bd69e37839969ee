"""The controls of sampling, for every tab that generates. It does not know what is generated."""

from dataclasses import dataclass
from typing import Any

import gradio as gr

from playground.errors import PlaygroundError
from playground.tabs.kit import AT_ONCE


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
        return Sampling(**chosen | {"seed": whole_number(chosen["seed"])})


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


def build() -> Controls:
    """Lays out the controls. Temperature and top-p begin low: small models lose the thread at more."""
    greedy = gr.Checkbox(False, label="Greedy", info="Always the likeliest token: the same text every time.")
    temperature = gr.Slider(
        0, 2, 0.2, step=0.05, label="Temperature", info="Low: likely words. High: surprising ones. 0 is greedy."
    )
    top_p = gr.Slider(
        0.05, 1, 0.9, step=0.05, label="Top-p", info="Draw from the likeliest tokens that share this much probability."
    )
    top_k = gr.Slider(0, 200, 50, step=1, label="Top-k", info="Draw from this many likeliest tokens. 0: from all.")
    max_new_tokens = gr.Slider(1, 2048, 256, step=1, label="Max new tokens", info="The reply is cut after so many.")
    seed = gr.Textbox(label="Seed", placeholder="random", info="The same seed and settings give the same text.")
    with gr.Accordion("More ways to choose", open=False, elem_id="more-sampling"):
        rest = _rarer()
    controls = Controls(
        temperature=temperature,
        top_p=top_p,
        top_k=top_k,
        max_new_tokens=max_new_tokens,
        seed=seed,
        greedy=greedy,
        **rest,
    )
    drawing = [temperature, top_p, top_k, seed, controls.min_p, controls.typical_p]  # of no use to greedy decoding
    greedy.change(lambda on: [gr.update(interactive=not on)] * len(drawing), greedy, drawing, **AT_ONCE)
    return controls


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
