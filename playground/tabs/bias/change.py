"""The Change & measure again pane: a change that is meant to take a bias away, and the same pairs before and after.

It does not know how a change is made.
"""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

import gradio as gr

from playground.errors import PlaygroundError
from playground.labs.bias import data
from playground.tabs import sending
from playground.tabs.bias import BIAS, outcome, pair_source, swapping
from playground.tabs.bias.outcome import Outcome
from playground.tabs.bias.pair_source import PairSource
from playground.tabs.forms import Box
from playground.tabs.internals import desk
from playground.tabs.internals.desk import Desk
from playground.tabs.kit import AT_ONCE, Page, Parcel, title_of
from playground.views.continuations import note

TITLE = "Change & measure again"
REMOVE, STEER, ARGUE, OTHER = "Remove a direction", "Steer", "Self-debiasing", "Another model"
THE_SETS = "the sentences that the direction is found between"
SENDING = {THE_SETS: (sending.STEERING,)} | pair_source.SENDING
SENTENCES = 20  # ordinary ones, for the price
INTRODUCTION = (
    "<p><b>Change & measure again</b> scores pairs, changes something, and scores the same pairs again, with what "
    "the change "
    "costs in perplexity on ordinary sentences and, where it can be had, a random change of the same size beside "
    "it.</p>"
    "<p class='note'>A direction is found between two sets of sentences and taken off the residual at every token "
    "of the "
    "chosen layers: strength 1 leaves nothing of it there, 0 changes no bit. The change is yours alone: nobody "
    "else's chat "
    "notices. Hiding a direction need not remove what a model has learnt (Gonen and Goldberg 2019).</p>"
)


@dataclass(frozen=True)
class Example:
    caption: str
    how: str
    strength: float
    method: str = "mean difference"


EXAMPLES = (  # all a third of the way up, so that they suit every model
    Example("Remove gender", REMOVE, 1.0),
    Example("Steer towards she", STEER, -1.0),
    Example("Remove by INLP", REMOVE, 1.0, "INLP"),
    Example("Talk it out of it", ARGUE, 1.0),
)


@dataclass(frozen=True, eq=False)
class Changed:
    """What was measured: before, after, and perhaps with a random change."""

    states: list
    what: str  # was changed, in words
    script: str  # Python that makes the numbers again


@dataclass(frozen=True, eq=False)
class Pane:
    desk: Desk
    source: PairSource
    how: gr.Radio
    first: gr.Textbox
    second: gr.Textbox
    low: gr.Textbox
    high: gr.Textbox
    method: gr.Radio
    n: gr.Slider
    strength: gr.Slider
    control: gr.Checkbox
    instruction: gr.Textbox
    other: gr.Textbox
    out: Outcome
    chart: gr.Plot
    moved: gr.HTML

    @property
    def asked(self) -> set[gr.components.Component]:
        own = {self.how, self.first, self.second, self.low, self.high, self.method, self.n, self.strength}
        return own | {self.control, self.instruction, self.other} | self.source.all

    def work(self, values: dict, stop: threading.Event) -> Iterator[dict]:
        """Measures, changes, and measures again."""
        pairs, told = self.source.pairs(values)
        yield {self.desk.status: note(f"{told}. Reading …")}
        found = yield from self.desk.told(lambda report: self._states(values, pairs, report, stop), stop)
        if not stop.is_set():
            yield self._shown(found, self.source.remarks(values))

    def _states(self, values: dict, pairs: Any, report: Any, stop: threading.Event) -> Changed:
        from playground.errors import PlaygroundError
        from playground.labs.bias import before_after as lab
        from playground.labs.bias import edits, perplexity, replay
        from playground.models.progress import part

        texts, how = perplexity.shipped(SENTENCES), values[self.how]
        models, reference = self.desk.page.models, values[self.desk.page.reference]

        def script(engine: Any, asked: dict) -> str:
            dialect = states[0].pairs.dialect
            return outcome.scripted(lambda: replay.of_change(engine, pairs, dialect, texts, asked))

        with models.lease(reference) as engine:
            found = None
            if how in (REMOVE, STEER):  # first, so that what cannot be done is refused at once
                found = self._directions(engine, values, stop)
                make, strength = self._edit(how), float(values[self.strength])
                made = make(engine, found, strength)
            elif how == ARGUE:
                from playground.labs.bias import self_debias

                self_debias.check(values[self.instruction] or "", self_debias.DECAY)
            states = [lab.state(engine, "As it is", pairs, texts, report=part(report, 0, 0.33), stop=stop)]
            if how == ARGUE:
                what = f"self-debiasing against “{values[self.instruction]}”"
                states.append(
                    lab.argued_state(
                        engine, how, pairs, texts, values[self.instruction], report=part(report, 0.33, 1), stop=stop
                    )
                )
                asked = {"instruction": values[self.instruction], "decay": self_debias.DECAY}
                return Changed(states, what, script(engine, asked))
            if found is not None:
                what = self._words(how, found, strength)
                again = part(report, 0.33, 0.66)
                states.append(lab.state(engine, how, pairs, texts, edits=made, report=again, stop=stop))
                if values[self.control]:
                    random = make(engine, edits.at_random(found), strength)
                    states.append(
                        lab.state(
                            engine,
                            "Random direction",
                            pairs,
                            texts,
                            edits=random,
                            report=part(report, 0.66, 1),
                            stop=stop,
                        )
                    )
                asked = {"directions": found, "strength": strength, "steer": how == STEER}
                return Changed(states, what, script(engine, asked))
            one = replay.source(engine)
        other = (values[self.other] or "").strip()
        if not other:
            raise PlaygroundError("No other model was named. Write a reference, like org/name or a folder.")
        with models.lease(other) as engine:
            if engine.anatomy.kind != one.kind:
                raise PlaygroundError(
                    f"{reference} is a {one.kind} model and {other} a {engine.anatomy.kind} one: their scores do not "
                    "compare. Pick two of a kind."
                )
            states.append(lab.state(engine, title_of(other), pairs, texts, report=part(report, 0.4, 1), stop=stop))
            two = replay.source(engine)
        made = outcome.scripted(lambda: replay.of_other(one, two, pairs, states[0].pairs.dialect, texts))
        return Changed(states, f"{other} in place of {reference}", made)

    def pack(self, values: dict, what: str, visitor: str) -> Parcel:
        """What is sent to other tabs. Raises PlaygroundError: no pairs, an empty set, or no layer."""
        if what != THE_SETS:
            return self.source.parcel(values, what)
        sets = values[self.first] or "", values[self.second] or ""
        if not all(texts.strip() for texts in sets):
            raise PlaygroundError("Both sets need at least one text before they can be sent. Write one a line.")
        return Parcel("", sets=sets, layer=_layer(values[self.low]))

    def _edit(self, how: str) -> Any:
        from playground.labs.bias import edits

        return edits.removal if how == REMOVE else edits.steering

    def _directions(self, engine: Any, values: dict, stop: threading.Event) -> Any:
        from playground.errors import PlaygroundError
        from playground.labs.bias import edits

        given = [_layer(values[box]) for box in (self.low, self.high)]
        usual = next((layer for layer in given if layer is not None), engine.anatomy.n_layers // 3)
        low, high = (usual if layer is None else layer for layer in given)
        if low > high:
            raise PlaygroundError(f"The layers go from {low} to {high}. Write the lower one first.")
        sets = [outcome.lines(values[box]) for box in (self.first, self.second)]
        layers = list(range(low, min(high, engine.anatomy.n_layers) + 1))
        return edits.find(engine, *sets, layers, values[self.method], int(values[self.n]), stop=stop)

    def _words(self, how: str, found: Any, strength: float) -> str:
        layers = sorted(found.bases)
        at = f"layer {layers[0]}" if len(layers) == 1 else f"layers {layers[0]} to {layers[-1]}"
        n = max(len(basis) for basis in found.bases.values())
        told = "the mean difference" if how == STEER else f"{found.method}, {n} direction{'s' if n > 1 else ''} a layer"
        apart = min(found.separation.values())  # of the worst layer
        beside = f"along it {apart:.0%} of the sentences lie on their own side"
        return f"{how.lower()}: {told}, {at}, strength {strength:g}; {beside}"

    def _shown(self, found: Changed, remarks: tuple[str, ...]) -> dict:
        from playground.labs.bias import before_after as lab
        from playground.labs.bias import files, sections
        from playground.views.bias import charts, tables

        states = found.states
        moved = lab.shift(states[0], states[1])
        section = sections.of_change(states[0], states[1], moved, found.what, *remarks)
        beside = ""
        if len(states) > 2:
            control = lab.shift(states[0], states[2])
            beside = note(f"A random direction of the same size: {sections.shift_says(control)}")
        pairs = states[0].pairs.pairs
        rows = [
            (f"{pairs[i].first} / {pairs[i].second}", f"{before:+.2f}", f"{after:+.2f}", f"{after - before:+.2f}")
            for i, before, after in lab.moved(states[0], states[1])
        ]
        head = ("Pair", "Before", "After", "Change")
        contents = {f"pairs-{i}.csv": files.pairs_csv(one.pairs) for i, one in enumerate(states)}
        return self.out.shown(self.desk, section, found.script, contents) | {
            self.chart: gr.update(value=charts.before_after(states), visible=True),
            self.moved: f"{beside}{tables.numbers(section)}<h4>The pairs that moved most</h4>"
            + tables.table(head, rows, "Pairs that moved most"),
        }


def build(page: Page) -> list[gr.State]:
    """Lays the pane out; the sections that it fills."""
    strip = outcome.examples("bias-change", [example.caption for example in EXAMPLES])
    outcome.about(INTRODUCTION, "bias-change")
    parts: dict = {}
    first = EXAMPLES[0]
    with gr.Row(elem_classes="asked"):
        parts["how"] = gr.Radio(
            [REMOVE, STEER, ARGUE, OTHER], value=first.how, label="Change", min_width=280, elem_id="bias-change-how"
        )
    with gr.Column() as inside:
        with gr.Row(elem_classes="asked"):
            parts["low"] = gr.Textbox(  # a Number shows an empty value as 0
                "",
                label="From layer",
                info="Empty: a third of the way up.",
                max_lines=1,
                min_width=100,
                elem_id="bias-change-low",
            )
            parts["high"] = gr.Textbox(  # a Number shows an empty value as 0
                "",
                label="To layer",
                info="Empty: the same one.",
                max_lines=1,
                min_width=100,
                elem_id="bias-change-high",
            )
            parts["strength"] = gr.Slider(
                -4,
                4,
                first.strength,
                step=0.1,
                label="Strength",
                info="Removing: 1 takes all.",
                min_width=200,
                elem_id="bias-change-strength",
            )
            parts["method"] = gr.Radio(
                ["mean difference", "INLP"],
                value=first.method,
                label="Direction by",
                min_width=200,
                elem_id="bias-change-method",
            )
            parts["n"] = gr.Slider(1, 8, 1, step=1, label="Directions of INLP", min_width=140)
            parts["control"] = gr.Checkbox(
                True, label="Also a random one", min_width=140, elem_id="bias-change-control"
            )
        sets = gr.Accordion("Sentences that the direction is found between", open=False, elem_id="bias-change-sets")
        with sets, gr.Row():
            for name, label in (("first", "One set"), ("second", "Other set")):
                parts[name] = gr.Textbox(
                    "\n".join(data.tables()["direction"][name]),
                    label=label,
                    info="A sentence a line, alike in all but the group.",
                    lines=5,
                    min_width=280,
                    elem_id=f"bias-change-{name}",
                )
    parts["instruction"] = gr.Textbox(
        data.tables()["self_debias"]["gender"],
        label="Instruction to argue against",
        info="What becomes more probable after it is pushed down (Schick et al. 2021).",
        visible=False,
        elem_id="bias-change-instruction",
    )
    parts["other"] = gr.Textbox(
        "",
        label="The other model",
        info="A reference: a hub id, a folder, a merge, an adapter's model.",
        visible=False,
        elem_id="bias-change-other",
    )
    gr.HTML("<h3>Measured on</h3>")
    parts["source"] = pair_source.build("bias-change", _pairs())
    run, stop, status = outcome.buttons("bias-change", "Change and measure")
    sending_place = gr.Column(min_width=0)
    parts["out"], parts["chart"], parts["moved"] = outcome.build("bias-change")
    parts["desk"] = desk.build(page, TITLE.replace(" & ", " and "), status, stop)
    pane = Pane(**{item.name: parts[item.name] for item in fields(Pane)})
    with sending_place:
        sending.row(page, "bias-change-send-to", SENDING, pane.asked, pane.pack)
    swapping.build(page)

    shown = [inside, pane.instruction, pane.other]
    pane.how.change(lambda how: [gr.update(visible=v) for v in _visible(how)], pane.how, shown, **AT_ONCE)
    outputs = [*pane.out.all, pane.chart, pane.moved]
    pane.desk.on([run.click], pane.work, pane.asked, outputs)
    filling = [pane.how, pane.low, pane.high, pane.strength, pane.method]
    for button, example in zip(strip, EXAMPLES, strict=True):

        def fill(example: Example = example) -> list:
            return [example.how, "", "", example.strength, example.method]

        pane.desk.after(button.click(fill, None, filling, **AT_ONCE), pane.work, pane.asked, outputs)
    names = ("how", "first", "second", "low", "high", "method", "n", "strength", "control", "instruction")
    boxes = {name: Box(parts[name]) for name in names} | {"other": Box(pane.other, names_model=True)}
    page.forms.offer(BIAS, TITLE, boxes | {f"pairs_{name}": box for name, box in pane.source.linked.items()})
    return [pane.out.section]


def _layer(written: object) -> int | None:
    """The layer that was written; None: nothing was. Raises PlaygroundError: it is no whole number."""
    from playground.errors import PlaygroundError

    text = "" if written is None else str(written).strip()
    if text and not (text.isascii() and text.isdigit()):
        raise PlaygroundError(f"“{text}” is no layer. Write a whole number from 0, or nothing.")
    return int(text) if text else None


def _visible(how: str) -> tuple[bool, bool, bool]:
    return how in (REMOVE, STEER), how == ARGUE, how == OTHER


def _pairs() -> dict:
    """The pairs that this pane opens with: many professions, one template, so that an answer comes soon."""
    shipped = pair_source.shipped()[1]
    return shipped | {"first": shipped["first"][:1], "second": shipped["second"][:1]}
