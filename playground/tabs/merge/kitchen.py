"""The recipe on the page: which models, which method, which sliders; read into a `Recipe`, and filled in from one.

It does not know what is done with the recipe.
"""

from dataclasses import dataclass, fields, replace

import gradio as gr

from playground.tabs.merge import typed

STARTER = "starter:smollm2-135m-instruct"
SLIDING = ("t", "weight_a", "weight_b", "density_a", "density_b", "scale")  # what acts when it is let go


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
        curve = typed.setting(values[self.curve] or "", values[self.parts] or "", float(values[self.t]))
        slides = "t" in kind.parameters
        number = lambda box: float(values[box] if values[box] is not None else 0)  # noqa: E731

        def weight(box: gr.Slider):
            return constant(number(box))

        models = [
            Ingredient((values[self.a] or "").strip(), weight(self.weight_a), constant(number(self.density_a))),
            Ingredient((values[self.b] or "").strip(), weight(self.weight_b), constant(number(self.density_b))),
        ]
        if curve is not None and not slides:
            models[0] = replace(models[0], weight=typed.mirrored(curve))
            models[1] = replace(models[1], weight=curve)
        models += typed.further(values[self.more] or "")
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

    def shown(self, recipe) -> dict:
        """Updates that fill in a recipe."""
        kind = recipe.kind
        first, second, *others = [*recipe.models, *[None] * max(0, 2 - len(recipe.models))]
        setting = recipe.t if "t" in kind.parameters else second.weight if second else None
        curved = setting is not None and setting.flat is None
        flat = typed.flat
        filled = {
            self.a: first.reference,
            self.b: second.reference if second else "",
            self.base: recipe.base or STARTER,
            self.more: "\n".join(typed.line(model) for model in others if model),
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
            self.curve: typed.listed(setting.values) if curved else "",
            self.parts: "\n".join(f"{part}: {typed.listed(values)}" for part, values in setting.parts)
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
