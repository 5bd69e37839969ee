"""The recipe on the page: which models, which method, which sliders; read into a `Recipe`, and filled in from one.

It does not know what is done with the recipe.
"""

from dataclasses import dataclass, fields

import gradio as gr

from playground.tabs.merge import typed

STARTER = "starter:smollm2-135m-instruct"
PARTS = ("attention", "MLP", "norms", "embeddings")  # with a slider each, in screen order
SHARES = tuple(f"share_{part.lower()}" for part in PARTS)
FURTHER = ("c", "d")  # models that have sliders and may be missing
# what acts when it is let go; a part's slider first ticks its part
SLIDING = (
    *("t", "weight_a", "weight_b", "density_a", "density_b", "scale"),
    *(f"{what}_{model}" for model in FURTHER for what in ("weight", "density")),
)


@dataclass(frozen=True, eq=False)
class Kitchen:
    """The components of a recipe. Its methods read and fill them."""

    a: gr.Dropdown
    b: gr.Dropdown
    base: gr.Dropdown
    c: gr.Dropdown
    d: gr.Dropdown
    more: gr.Textbox
    method: gr.Dropdown
    dialect: gr.Radio
    told: gr.Markdown
    t: gr.Slider
    weight_a: gr.Slider
    weight_b: gr.Slider
    density_a: gr.Slider
    density_b: gr.Slider
    weight_c: gr.Slider
    density_c: gr.Slider
    weight_d: gr.Slider
    density_d: gr.Slider
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
    share_attention: gr.Slider
    share_mlp: gr.Slider
    share_norms: gr.Slider
    share_embeddings: gr.Slider
    own: gr.CheckboxGroup  # parts whose slider counts
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
        from playground.labs.merging.recipe import Ingredient, Recipe, Setting, check, constant

        kind = methods.find(values[self.method] or "")
        slides = "t" in kind.parameters
        number = lambda box: float(values[box] if values[box] is not None else 0)  # noqa: E731
        curve = typed.numbers(values[self.curve] or "", "The curve")
        shares = {part: number(getattr(self, share)) for part, share in zip(PARTS, SHARES, strict=True)}
        parts = typed.parts(
            values[self.parts] or "", {p: v for p, v in shares.items() if p in (values[self.own] or ())}
        )
        mirrored = tuple((part, typed.mirrored(own)) for part, own in parts)

        def named(model: str, weight: Setting | None = None) -> Ingredient:
            usual = constant(number(getattr(self, f"weight_{model}")))
            density = constant(number(getattr(self, f"density_{model}")))
            return Ingredient((values[getattr(self, model)] or "").strip(), weight or usual, density)

        if slides:
            models = [named("a"), named("b")]
        else:
            usual = {model: (number(getattr(self, f"weight_{model}")),) for model in ("a", "b")}
            models = [
                named("a", Setting(typed.mirrored(curve) or usual["a"], mirrored)),
                named("b", Setting(curve or usual["b"], parts)),
            ]
        models += [named(model) for model in FURTHER if (values[getattr(self, model)] or "").strip()]
        models += typed.further(values[self.more] or "")
        recipe = Recipe(
            method=kind.name,
            models=tuple(models),
            base=(values[self.base] or "").strip() or None if kind.needs_base or kind.name == "nuslerp" else None,
            t=Setting(curve or (number(self.t),), parts) if slides else constant(number(self.t)),
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
        listed = [*recipe.models, *[None] * max(0, 4 - len(recipe.models))]
        by_name = dict(zip(("a", "b", *FURTHER), listed, strict=False))
        second = by_name["b"]
        setting = second.weight if second and "t" not in kind.parameters else recipe.t
        lines, own = typed.sorted_out(setting.parts)
        flat = typed.flat
        filled = {
            self.base: recipe.base or STARTER,
            self.more: "\n".join(typed.line(model) for model in listed[4:]),
            self.method: recipe.method,
            self.t: flat(recipe.t, 0.5),
            self.scale: flat(recipe.scale),
            self.epsilon: recipe.epsilon,
            self.gamma: recipe.gamma,
            self.normalize: kind.normalize if recipe.normalize is None else recipe.normalize,
            self.rescale: kind.rescale if recipe.rescale is None else recipe.rescale,
            self.row_wise: recipe.row_wise,
            self.election: recipe.election,
            self.seed: recipe.seed,
            self.curve: typed.listed(setting.values) if len(setting.values) > 1 else "",
            self.own: [part for part in PARTS if part in own],
            self.parts: lines,
            self.union: recipe.union,
            self.preset: gr.skip(),
        }
        for name, model in by_name.items():
            filled[getattr(self, name)] = model.reference if model else ""
            filled[getattr(self, f"weight_{name}")] = flat(model.weight) if model else 1.0
            filled[getattr(self, f"density_{name}")] = flat(model.density) if model else 1.0
        for part, share in zip(PARTS, SHARES, strict=True):
            filled[getattr(self, share)] = own.get(part, 0.5)
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
            **{getattr(self, f"weight_{model}"): has("weights") for model in ("a", "b", *FURTHER)},
            **{getattr(self, f"density_{model}"): has("densities") for model in ("a", "b", *FURTHER)},
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
