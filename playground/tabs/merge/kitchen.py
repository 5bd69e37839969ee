"""The recipe on the page: which models, which method, which sliders; read into a `Recipe`, and filled in from one.

It does not know what is done with the recipe.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import gradio as gr

from playground.errors import PlaygroundError
from playground.models import lora
from playground.models.catalog import catalog
from playground.settings import Settings
from playground.tabs.kit import AT_ONCE, Page, title_of
from playground.views.merge import curve as curves

STARTER = "starter:smollm2-135m-instruct"
PARTS = {  # of the network, and what names of their weights contain
    "attention": ("attn", "attention"),
    "MLP": ("mlp", "ffn", "feed_forward"),
    "norms": ("norm", "ln_"),
    "embeddings": ("embed", "wte", "wpe", "lm_head"),
}
SLIDING = ("t", "weight_a", "weight_b", "density_a", "density_b", "scale")  # what acts when it is let go
PRESETS = {
    "The same everywhere": "",
    "A at the bottom, B at the top": "0, 1",
    "B in the middle": "0, 1, 0",
    "A in the middle": "1, 0, 1",
    "Step half-way": "0, 0, 0, 1, 1, 1",
}


@dataclass(frozen=True, eq=False)
class Kitchen:
    """The components of a recipe. Its methods read and fill them."""

    a: gr.Dropdown
    b: gr.Dropdown
    base: gr.Dropdown
    more: gr.Textbox
    method: gr.Dropdown
    dialect: gr.Radio
    told: gr.Markdown
    t: gr.Slider
    weight_a: gr.Slider
    weight_b: gr.Slider
    density_a: gr.Slider
    density_b: gr.Slider
    scale: gr.Slider
    epsilon: gr.Slider
    gamma: gr.Slider
    normalize: gr.Checkbox
    rescale: gr.Checkbox
    row_wise: gr.Checkbox
    election: gr.Radio
    seed: gr.Number
    preset: gr.Dropdown
    curve: gr.Textbox
    parts: gr.Textbox
    union: gr.Checkbox

    @property
    def all(self) -> list[gr.components.Component]:
        return [getattr(self, item.name) for item in fields(self)]

    @property
    def inputs(self) -> set[gr.components.Component]:
        return {box for box in self.all if box not in (self.told, self.preset)}

    @property
    def sliders(self) -> list[gr.Slider]:
        return [getattr(self, name) for name in SLIDING]

    def recipe(self, values: dict):
        """The recipe that all boxes say, checked. Raises PlaygroundError: it makes no sense."""
        from playground.labs.merging import methods
        from playground.labs.merging.recipe import Ingredient, Recipe, check, constant

        kind = methods.find(values[self.method] or "")
        curve = self._curve(values)
        slides = "t" in kind.parameters
        number = lambda box: float(values[box] if values[box] is not None else 0)  # noqa: E731

        def weight(box: gr.Slider):
            return constant(number(box))

        models = [
            Ingredient((values[self.a] or "").strip(), weight(self.weight_a), constant(number(self.density_a))),
            Ingredient((values[self.b] or "").strip(), weight(self.weight_b), constant(number(self.density_b))),
        ]
        if curve is not None and not slides:
            models[0] = replace(models[0], weight=mirrored(curve))
            models[1] = replace(models[1], weight=curve)
        models += further(values[self.more] or "")
        recipe = Recipe(
            method=kind.name,
            models=tuple(models),
            base=(values[self.base] or "").strip() or None if kind.needs_base or kind.name == "nuslerp" else None,
            t=curve if curve is not None and slides else constant(number(self.t)),
            scale=constant(number(self.scale)),
            normalize=bool(values[self.normalize]) if "normalize" in kind.parameters else None,
            rescale=bool(values[self.rescale]) if "rescale" in kind.parameters else None,
            epsilon=number(self.epsilon),
            gamma=number(self.gamma),
            row_wise=bool(values[self.row_wise]),
            election=values[self.election] or "sum",
            dialect=values[self.dialect] if values[self.dialect] in kind.dialects else "mergekit",
            seed=int(number(self.seed)),
            union=bool(values[self.union]),
        )
        check(recipe)
        return recipe

    def _curve(self, values: dict):
        """What the curve and the parts say, as a setting; None: the sliders count."""
        from playground.labs.merging.recipe import Setting

        curve, parts = numbers(values[self.curve] or "", "The curve"), []
        for line in (values[self.parts] or "").splitlines():
            if not line.strip():
                continue
            name, separator, text = line.partition(":")
            if not separator or not (found := numbers(text, f"The part “{name.strip()}”")):
                raise PlaygroundError(f"“{line}” is no part with numbers. Write for example “attention: 0, 1”.")
            for contained in PARTS.get(name.strip(), (name.strip(),)):
                parts.append((contained, found))
        if not curve and not parts:
            return None
        return Setting(curve or (float(values[self.t]),), tuple(parts))

    def shown(self, recipe) -> dict:
        """Updates that fill in a recipe."""
        kind = recipe.kind
        first, second, *others = [*recipe.models, *[None] * max(0, 2 - len(recipe.models))]
        setting = recipe.t if "t" in kind.parameters else second.weight if second else None
        curved = setting is not None and setting.flat is None
        flat = lambda setting, usual=1.0: usual if setting is None or setting.flat is None else setting.flat  # noqa: E731
        filled = {
            self.a: first.reference,
            self.b: second.reference if second else "",
            self.base: recipe.base or STARTER,
            self.more: "\n".join(
                f"{model.reference} {flat(model.weight):g} {flat(model.density):g}" for model in others if model
            ),
            self.method: recipe.method,
            self.t: flat(recipe.t, 0.5),
            self.weight_a: flat(first.weight),
            self.weight_b: flat(second.weight) if second else 0.0,
            self.density_a: flat(first.density),
            self.density_b: flat(second.density) if second else 1.0,
            self.scale: flat(recipe.scale),
            self.epsilon: recipe.epsilon,
            self.gamma: recipe.gamma,
            self.normalize: kind.normalize if recipe.normalize is None else recipe.normalize,
            self.rescale: kind.rescale if recipe.rescale is None else recipe.rescale,
            self.row_wise: recipe.row_wise,
            self.election: recipe.election,
            self.seed: recipe.seed,
            self.curve: ", ".join(f"{v:g}" for v in setting.values) if curved and setting else "",
            self.parts: "\n".join(f"{part}: {', '.join(f'{v:g}' for v in vs)}" for part, vs in setting.parts)
            if setting
            else "",
            self.union: recipe.union,
            self.preset: gr.skip(),
        }
        fitted = self.fit(recipe.method, recipe.dialect)
        return {
            box: {**fitted[box], "value": filled[box]}
            if box in fitted and box in filled
            else fitted.get(box, filled.get(box))
            for box in self.all
        }

    def fit(self, method: str, dialect: str | None = None) -> dict:
        """Updates that show what a method has to set, and what it is."""
        from playground.labs.merging import methods

        kind = methods.find(method)
        has = lambda *names: gr.update(visible=any(name in kind.parameters for name in names))  # noqa: E731
        dialects = list(kind.dialects)
        chosen = dialect if dialect in dialects else "mergekit" if "mergekit" in dialects else None
        return {
            self.base: gr.update(visible=kind.needs_base or kind.name == "nuslerp"),
            self.dialect: gr.update(choices=dialects, value=chosen, visible=bool(dialects)),
            self.told: described(kind),
            self.t: has("t"),
            self.weight_a: has("weights"),
            self.weight_b: has("weights"),
            self.density_a: has("densities"),
            self.density_b: has("densities"),
            self.scale: has("scale"),
            self.epsilon: has("epsilon"),
            self.gamma: has("gamma"),
            self.normalize: gr.update(visible="normalize" in kind.parameters, value=kind.normalize),
            self.rescale: gr.update(visible="rescale" in kind.parameters, value=kind.rescale),
            self.row_wise: has("row_wise"),
            self.election: has("election"),
            self.seed: has("seed"),
        }


def described(kind) -> str:
    """A method in words, with its formula, its paper and its dialects."""
    lines = [f"{kind.about}", f"$${kind.formula}$$", f"*{kind.paper}*"]
    if kind.dialects:
        lines.append(
            "Programs differ: " + "; ".join(f"**{name}** {words}" for name, words in kind.dialects.items()) + "."
        )
    return "\n\n".join(lines)


def numbers(text: str, what: str) -> tuple[float, ...]:
    """Numbers with commas between them."""
    try:
        return tuple(float(piece) for piece in text.replace(";", ",").split(",") if piece.strip())
    except ValueError:
        raise PlaygroundError(
            f"{what} needs numbers with commas between them, like 0, 0.5, 1. Change “{text}”."
        ) from None


def drawn(text: str) -> str | dict:
    """The curve's drawing; while its numbers cannot be read it stays as it is."""
    try:
        return curves.html(numbers(text or "", "The curve"))
    except PlaygroundError:
        return gr.skip()


def picked(event: gr.SelectData) -> str:
    """The numbers of a curve that was drawn."""
    return str(event.value)


def mirrored(setting):
    """1 minus every value: what the first model has where the second has this."""
    return replace(
        setting,
        values=tuple(1 - value for value in setting.values),
        parts=tuple((part, tuple(1 - value for value in values)) for part, values in setting.parts),
    )


def further(text: str) -> list:
    """More models, one a line: reference, weight, density."""
    from playground.labs.merging.recipe import Ingredient, constant

    found = []
    for line in text.splitlines():
        if not (pieces := line.split()):
            continue
        try:
            weight, density = (float(piece) for piece in [*pieces[1:3], "1", "1"][:2])
        except ValueError:
            raise PlaygroundError(
                f"“{line}” is no model with a weight and a density. Write “org/name 0.5 1”."
            ) from None
        found.append(Ingredient(pieces[0], constant(weight), constant(density)))
    return found


def offered(settings: Settings) -> list[tuple[str, str]]:
    """Models that could be parents: the starter with each adapter that ships, then what the catalog has that writes."""
    adapted = [f"{STARTER}+adapter:{name}" for name in lora.shipped()]
    own = [entry.reference for entry in catalog() if entry.kind in ("chat", "base", "masked")]
    return [(title_of(reference), reference) for reference in dict.fromkeys([*adapted, *settings.default_models, *own])]


def build(page: Page, methods: Sequence[tuple[str, str]], first: dict) -> Kitchen:
    """Lays the recipe out. `methods`: (title, name); `first`: values of boxes by name, of the first example."""
    choices = offered(page.settings)
    parts: dict = {}

    def model(name: str, label: str, info: str, **more) -> gr.Dropdown:
        return gr.Dropdown(
            choices,
            value=first[name],
            label=label,
            info=info,
            allow_custom_value=True,
            min_width=220,
            elem_id=f"merge-{name}",
            **more,
        )

    def slider(name: str, low: float, high: float, value: float, label: str, info: str, visible: bool) -> gr.Slider:
        return gr.Slider(
            low, high, value, step=0.01, label=label, info=info, visible=visible, min_width=160,
            elem_id=f"merge-{name.replace('_', '-')}",
        )  # fmt: skip

    with gr.Row(elem_classes="asked"):
        parts["a"] = model("a", "Model A", "A reference; +adapter:name adds a LoRA.")
        parts["b"] = model("b", "Model B", "Of the same architecture and size.")
        parts["base"] = model("base", "Base", "What A and B were tuned from.", visible=False)
    with gr.Row(elem_classes="asked"):
        with gr.Column(scale=2, min_width=260):
            parts["method"] = gr.Dropdown(list(methods), value=first["method"], label="Method", elem_id="merge-method")
            parts["dialect"] = gr.Radio(
                ["mergekit"], value="mergekit", label="Dialect", visible=False, elem_id="merge-dialect"
            )
            with gr.Accordion("What this method does", open=False, elem_id="merge-what"):
                parts["told"] = gr.Markdown(
                    first["told"], latex_delimiters=[{"left": "$$", "right": "$$", "display": True}]
                )
        with gr.Column(scale=3, min_width=300):
            parts["t"] = slider("t", 0, 1, 0.5, "t", "0 is A, 1 is B. Let go, and the merge answers.", True)
            with gr.Row():
                parts["weight_a"] = slider("weight_a", -1, 2, 1, "Weight of A", "Below 0: taken away.", False)
                parts["weight_b"] = slider("weight_b", -1, 2, 1, "Weight of B", "Below 0: taken away.", False)
            with gr.Row():
                parts["density_a"] = slider("density_a", 0, 1, 1, "Density of A", "Share of changes kept.", False)
                parts["density_b"] = slider("density_b", 0, 1, 1, "Density of B", "Share of changes kept.", False)
            parts["scale"] = slider("scale", 0, 2, 1, "λ", "How much of the joint change is added.", False)
    with gr.Accordion("More: layers, parts, further models, options", open=False, elem_id="merge-more"):
        with gr.Row():
            parts["preset"] = gr.Dropdown(
                list(PRESETS), value=next(iter(PRESETS)), label="Curve preset", min_width=200, elem_id="merge-preset"
            )
            parts["curve"] = gr.Textbox(
                "",
                label="Share of B over the layers",
                info="Numbers from the first layer to the last, straight lines between. Empty: the slider counts.",
                placeholder="0, 0.5, 1",
                min_width=240,
                elem_id="merge-curve",
            )
            drawing = gr.HTML(curves.html(()), js_on_load=curves.DRAG, min_width=240, elem_id="merge-drawing")
            parts["parts"] = gr.Textbox(
                "",
                label="By part",
                info=f"A line a part: {', '.join(PARTS)}, or any piece of a weight's name.",
                placeholder="attention: 0\nMLP: 1",
                lines=2,
                min_width=240,
                elem_id="merge-parts",
            )
        with gr.Row():
            parts["more"] = gr.Textbox(
                "",
                label="Further models",
                info="One a line: reference, weight, density.",
                placeholder=f"{STARTER} 0.5 1",
                lines=2,
                min_width=280,
                elem_id="merge-further",
            )
            parts["epsilon"] = slider("epsilon", 0, 0.49, 0.15, "ε", "DELLA: half the range of probabilities.", False)
            parts["gamma"] = slider("gamma", 0, 0.5, 0.01, "γ", "Breadcrumbs: share of outliers left out.", False)
        with gr.Row():
            parts["normalize"] = gr.Checkbox(True, label="Divide by the sum of weights", visible=False, min_width=180)
            parts["rescale"] = gr.Checkbox(True, label="Make up for what is dropped", visible=False, min_width=180)
            parts["row_wise"] = gr.Checkbox(False, label="Row by row", visible=False, min_width=140)
            parts["election"] = gr.Radio(
                ["sum", "count"], value="sum", label="Signs elected by", visible=False, min_width=160
            )
            parts["seed"] = gr.Number(42, precision=0, label="Seed of what is dropped", visible=False, min_width=140)
            parts["union"] = gr.Checkbox(
                False, label="Unite vocabularies", info="Embedding rows by their tokens' names.", min_width=180
            )
    kitchen = Kitchen(**{item.name: parts[item.name] for item in fields(Kitchen)})
    fitted = [box for box in kitchen.all if box in kitchen.fit(first["method"])]
    kitchen.method.input(kitchen.fit, kitchen.method, fitted, **AT_ONCE)
    kitchen.preset.input(lambda name: PRESETS[name], kitchen.preset, kitchen.curve, **AT_ONCE)
    drawing.select(picked, None, kitchen.curve, **AT_ONCE)
    kitchen.curve.change(drawn, kitchen.curve, drawing, **AT_ONCE)
    return kitchen
