"""How answers are scored and how the model is asked: the boxes of both. It does not know what a scorer does."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import gradio as gr

from playground.errors import PlaygroundError
from playground.labs.prompting import scorers
from playground.labs.prompting.prompts import Row
from playground.labs.prompting.scorers import Scorer
from playground.models.catalog import catalog

TITLES = {
    "It names the right label": "written",
    "Choice: the right label is the most probable (nothing is written)": "choice",
    "Number equal": "number",
    "Exactly the same": "exact",
    "Contains it": "contains",
    "Regular expression": "regex",
    "JSON that fits a schema": "json",
    "Similar in meaning (embedding model)": "similarity",
    "Another model judges": "judge",
}
MOST_SAMPLES = 40


@dataclass(frozen=True)
class Asking:
    """How each row is asked."""

    max_new_tokens: int
    temperatures: tuple[float, ...]
    samples: int
    seed: int
    models: tuple[str, ...]  # besides the one in use


@dataclass(frozen=True, eq=False)
class Scoring:
    kind: gr.Dropdown
    expected: gr.Dropdown
    choices: gr.Textbox
    pattern: gr.Textbox
    schema: gr.Textbox
    threshold: gr.Slider
    reference: gr.Dropdown
    judge: gr.Textbox
    max_new_tokens: gr.Number
    temperatures: gr.Textbox
    samples: gr.Number
    seed: gr.Number
    models: gr.Dropdown

    @property
    def boxes(self) -> list[gr.components.Component]:
        return [getattr(self, name) for name in _SCORING]

    @property
    def all(self) -> list[gr.components.Component]:
        return [getattr(self, name) for name in self.__dataclass_fields__]

    def scorer(self, values: dict) -> Scorer:
        return Scorer(
            TITLES[values[self.kind]],
            (values[self.expected] or "").strip(),
            tuple(part.strip() for part in (values[self.choices] or "").split(",") if part.strip()),
            values[self.pattern] or "",
            values[self.schema] or "",
            float(values[self.threshold] or 0),
            values[self.reference] or "",
            values[self.judge] or "",
        )

    def asking(self, values: dict) -> Asking:
        """Raises PlaygroundError: a temperature is no number."""
        temperatures = []
        for part in str(values[self.temperatures]).replace(";", ",").split(","):
            try:
                temperatures.append(float(part))
            except ValueError:
                raise PlaygroundError(
                    f"“{part.strip()}” is no temperature. Write numbers with commas between, like 0, 0.7."
                ) from None
            if not 0 <= temperatures[-1] <= 5:
                raise PlaygroundError(f"The temperature is {part.strip()}; it must lie between 0 and 5.")
        samples, most = int(values[self.samples] or 1), int(values[self.max_new_tokens] or 0)
        if samples > 1 and 0 in temperatures:
            raise PlaygroundError(
                f"At temperature 0 all {samples} samples would be the same. Raise the temperature, or ask for 1 sample."
            )
        models = tuple(dict.fromkeys(values[self.models] or ()))
        seed = int(values[self.seed] or 0)
        return Asking(most, tuple(dict.fromkeys(temperatures)), samples, seed, models)

    def plain(self, values: dict) -> tuple[dict, str]:
        """How each row is asked, for JSON, and what is wrong with that: then the temperatures are what was typed."""
        try:
            return asdict(self.asking(values)), ""
        except PlaygroundError as error:
            numbers = {
                "max_new_tokens": int(values[self.max_new_tokens] or 0),
                "samples": int(values[self.samples] or 1),
                "seed": int(values[self.seed] or 0),
            }
            typed = {"temperatures": str(values[self.temperatures] or ""), "models": list(values[self.models] or ())}
            return numbers | typed, str(error)

    def shown(self, scorer: Scorer, columns: Sequence[str], asking: Asking) -> dict:
        """Updates that put a scorer and settings into the boxes."""
        return {
            self.kind: next(title for title, kind in TITLES.items() if kind == scorer.kind),
            self.expected: gr.update(choices=list(columns), value=scorer.expected),
            self.choices: ", ".join(scorer.choices),
            self.pattern: scorer.pattern,
            self.schema: scorer.schema.strip(),
            self.threshold: scorer.threshold,
            self.reference: scorer.reference or gr.skip(),
            self.judge: scorer.judge,
            self.max_new_tokens: asking.max_new_tokens,
            self.temperatures: ", ".join(f"{t:g}" for t in asking.temperatures),
            self.samples: asking.samples,
            self.seed: asking.seed,
            self.models: list(asking.models),
        } | self._visible(scorer.kind, also=scorer)

    def _visible(self, kind: str, also: Scorer | None = None) -> dict:
        """Only the boxes that a kind of scorer reads."""
        values = {
            self.choices: (kind in ("written", "choice"), also and ", ".join(also.choices)),
            self.pattern: (kind == "regex", also and also.pattern),
            self.schema: (kind == "json", also and also.schema.strip()),
            self.threshold: (kind == "similarity", also and also.threshold),
            self.reference: (kind in ("similarity", "judge"), also and (also.reference or None)),
            self.judge: (kind == "judge", also and also.judge),
        }
        return {
            box: gr.update(visible=visible) if value is None else gr.update(visible=visible, value=value)
            for box, (visible, value) in values.items()
        }

    def choose(self, title: str) -> dict:
        return self._visible(TITLES[title])

    def columns(self, rows: Sequence[Row], expected: str) -> dict:
        """The columns of another table to pick the right answer from; the last one if the old one is not there."""
        columns = list(rows[0]) if rows else []
        usual = [name for name in ("label", "answer", "expected", "target", "score") if name in columns]
        value = expected if expected in columns else (usual or columns[-1:] or [""])[0]
        return gr.update(choices=columns, value=value)


_SCORING = ("kind", "expected", "choices", "pattern", "schema", "threshold", "reference", "judge")


def build(first: Scorer, columns: Sequence[str], max_new_tokens: int) -> Scoring:
    with gr.Row(elem_classes="level"):
        kind = gr.Dropdown(
            list(TITLES),
            value=next(title for title, kind in TITLES.items() if kind == first.kind),
            label="An answer is right when …",
            filterable=False,
            scale=3,
            min_width=260,
            elem_id="lab-scorer",
        )
        expected = gr.Dropdown(
            list(columns),
            value=first.expected,
            label="Right answer",
            info="A column of the table.",
            allow_custom_value=True,
            scale=1,
            min_width=140,
            elem_id="lab-expected",
        )
    choices = gr.Textbox(
        ", ".join(first.choices),
        label="Labels",
        info="With commas between.",
        visible=first.needs_choices,
        elem_id="lab-choices",
    )
    pattern = gr.Textbox(
        label="Pattern",
        info="With a group, like answer is (\\w+), what is in it must be the right answer. It has 0.2 s a row.",
        visible=False,
        elem_id="lab-pattern",
    )
    schema = gr.Textbox(
        label="JSON schema", info="{{column}} is filled from the row.", lines=4, visible=False, elem_id="lab-schema"
    )
    threshold = gr.Slider(0.05, 1, 0.8, step=0.05, label="Cosine at least", visible=False, elem_id="lab-threshold")
    models = [(entry.title, entry.reference) for entry in catalog()]
    embedding = next((entry.reference for entry in catalog() if entry.kind == "embedding"), None)
    reference = gr.Dropdown(
        models,
        value=embedding,
        label="Model that embeds or judges",
        allow_custom_value=True,
        visible=False,
        elem_id="lab-scoring-model",
    )
    judge = gr.Textbox(
        scorers.JUDGE,
        label="What the judge is given",
        info="{{question}}, {{reference}} and {{answer}} are filled in; also any column.",
        lines=5,
        visible=False,
        elem_id="lab-judge",
    )
    with gr.Row(elem_classes="level"):
        most = gr.Number(
            max_new_tokens,
            label="New tokens",
            info="At most, a row.",
            precision=0,
            minimum=1,
            maximum=2048,
            min_width=110,
            elem_id="lab-max-new-tokens",
        )
        temperatures = gr.Textbox(
            "0",
            label="Temperature",
            info="0 is greedy; 0, 0.7 runs both.",
            min_width=110,
            elem_id="lab-temperature",
        )
        samples = gr.Number(
            1,
            label="Samples",
            info="A row; the majority counts.",
            precision=0,
            minimum=1,
            maximum=MOST_SAMPLES,
            min_width=110,
            elem_id="lab-samples",
        )
        seed = gr.Number(
            0, label="Seed", info="Of what is drawn.", precision=0, minimum=0, min_width=110, elem_id="lab-seed"
        )
    others = gr.Dropdown(
        [(entry.title, entry.reference) for entry in catalog() if entry.kind in ("chat", "base")],
        value=[],
        multiselect=True,
        allow_custom_value=True,
        label="Also on these models",
        info="Besides the model in use. Each prompt is run on each.",
        elem_id="lab-models",
    )
    return Scoring(
        kind, expected, choices, pattern, schema, threshold, reference, judge, most, temperatures, samples, seed, others
    )
