"""Where each side of the arena is chosen: its model, system prompt and sampling; and the examples that set both.

It does not know what is asked or answered.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import gradio as gr

from playground.labs.chat import votes
from playground.labs.chat.votes import Contestant
from playground.tabs import model_bar
from playground.tabs.chat import sampling
from playground.tabs.chat.sampling import Controls
from playground.tabs.kit import AT_ONCE, Page

if TYPE_CHECKING:  # the page must not wait for torch
    from playground.engine.sampling import Sampling


@dataclass(frozen=True)
class Example:
    caption: str
    text: str
    look: str  # what to look at
    a: dict = field(default_factory=dict)  # settings that differ from the defaults; "system" and "precision" too
    b: dict = field(default_factory=dict)


SHORT = {"max_new_tokens": 60}
HOT = {"temperature": 1.2, "top_p": 1, "top_k": 0}  # every token may be drawn, as the model gives them
EXAMPLES = (
    Example(
        "Cool and hot",
        "Explain in two sentences why the sky is blue.",
        "Look where B loses the thread: at temperature 1.2, with every token allowed, it soon draws one that A never "
        "would, and has to go on from there.",
        SHORT | {"temperature": 0.2},
        SHORT | HOT,
    ),
    Example(
        "Full and int8",
        "Write a short poem about rain.",
        "Both always take the likeliest token, so only rounding to 8 bits sets them apart. Look at the first word that "
        "differs, and at the speed.",
        SHORT | {"greedy": True},
        SHORT | {"greedy": True, "precision": "int8"},
    ),
    Example(
        "Pirate and professor",
        "Who are you?",
        "The same model at the same settings: the system prompt alone makes who answers.",
        SHORT | {"system": "You are a pirate. Answer as a pirate would, with 'Arr!'."},
        SHORT | {"system": "You are a professor. Answer formally."},
    ),
)


@dataclass(frozen=True)
class Side:
    """Where one side is chosen."""

    model: gr.Dropdown
    system: gr.Textbox
    controls: Controls
    defaults: dict[str, Any]  # of the controls, by name

    @property
    def all(self) -> set[gr.components.Component]:
        return {self.model, self.system} | self.controls.all

    def read(self, values: dict, seed: int | None) -> tuple[Contestant, "Sampling"]:
        chosen = replace(self.controls.read(values | {self.controls.seed: ""}), seed=seed)
        settings = votes.settings(asdict(chosen))
        return Contestant(values[self.model] or "", values[self.system] or "", settings), chosen

    def set(self, reference: str, settings: dict[str, Any]) -> dict:
        """Updates that make this side what an example asks for, of the model `reference`."""
        settings = dict(settings)
        system, precision = settings.pop("system", ""), settings.pop("precision", "")
        model = f"{reference.partition('#')[0]}#{precision}" if precision else reference
        controls = {control: settings.get(name, self.defaults[name]) for name, control in vars(self.controls).items()}
        return controls | {self.model: model, self.system: system}


def build(page: Page, name: str, settings: dict[str, Any]) -> Side:
    """Lays out where one side is chosen; it begins as `settings` ask."""
    with gr.Column(min_width=300, elem_classes="arena-column"):
        model = gr.Dropdown(
            model_bar.choices(page.settings),
            value=page.settings.default_models[0],
            label=f"Model {name}",
            allow_custom_value=True,
            elem_id=f"model-{name.lower()}",
        )
        with gr.Accordion(f"Settings of {name}", open=False, elem_id=f"settings-{name.lower()}"):
            system = gr.Textbox(label="System prompt", info="Empty: the model's own.", lines=1, max_lines=6)
            controls = sampling.build()
    defaults = {setting: control.value for setting, control in vars(controls).items()}
    for setting, value in settings.items():
        getattr(controls, setting).value = value
    controls.seed.visible = False  # one seed serves both
    return Side(model, system, controls, defaults)


def follow_the_bar(page: Page, sides: Sequence[Side], before: gr.State) -> None:
    """A side that is the picked model goes on being it when another is picked. before: the one picked until then."""

    def follow(picked: str | None, last: str, a: str | None, b: str | None) -> list:
        return [*(picked if model == last else gr.skip() for model in (a, b)), picked]

    models = [side.model for side in sides]
    followed = page.reference.change(follow, [page.reference, before, *models], [*models, before], **AT_ONCE)

    def offer(*held: str) -> list[dict]:
        served = page.models.endpoints.offered()
        return [gr.update(choices=model_bar.choices(page.settings, model, served)) for model in held]

    if page.settings.endpoints:
        page.blocks.load(offer, models, models, **AT_ONCE)
        followed.then(offer, models, models, **AT_ONCE)
