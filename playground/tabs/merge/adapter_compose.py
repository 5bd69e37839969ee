"""Adapters, Compose: the mixture of the sliders made into one adapter, in one of several ways, each with its error.

It does not know how adapters are composed.
"""

import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import gradio as gr

from playground.tabs.internals import desk
from playground.tabs.internals.desk import Desk
from playground.tabs.kit import Page, paced, title_of
from playground.tabs.merge.rack import Rack
from playground.views.continuations import note

TITLE = "Compose"
METHODS = {  # the lab's; written out, because the lab imports torch
    "cat: the exact sum": "cat",
    "svd: the sum, cut to a rank": "svd",
    "linear: A and B summed apart": "linear",
    "ties on A and B": "ties",
    "ties on what is added, then cut": "ties_svd",
    "dare_linear on A and B": "dare_linear",
    "dare_linear on what is added, then cut": "dare_linear_svd",
    "dare_ties on A and B": "dare_ties",
    "dare_ties on what is added, then cut": "dare_ties_svd",
    "magnitude_prune on A and B": "magnitude_prune",
    "magnitude_prune on what is added, then cut": "magnitude_prune_svd",
}
INTRODUCTION = (
    "<p>One adapter in place of several is easier to keep and to serve. All ways are after the same sum, Σ w ΔW, and "
    "most miss some of it. <b>cat</b> is exact: the ranks add up. <b>svd</b> is the nearest of its rank. "
    "<b>linear</b>, and the pruning ways on A and B, multiply sums, (ΣA)(ΣB), which has cross terms that nobody asked "
    "for. <b>TIES</b> and <b>DARE</b> leave numbers out so that adapters get less in each other's way: being far from "
    "the sum is what they are for, so judge them by the answers.</p>"
    "<p class='note'>As PEFT's add_weighted_adapter: the election of signs does not know the weights, and the sum is "
    "divided by the number of adapters that agree (the TIES paper prunes over all layers at once; mergekit elects with "
    "weights and divides by them).</p>"
)


@dataclass(frozen=True, eq=False)
class Bench:
    """The components. Its methods are the handlers."""

    desk: Desk
    rack: Rack
    method: gr.Dropdown
    density: gr.Slider
    rank: gr.Slider
    election: gr.Radio
    seed: gr.Number
    prompt: gr.Textbox
    told: gr.HTML
    written: gr.HTML
    chart: gr.Plot
    layers: gr.Plot
    path: gr.Textbox

    @property
    def boxes(self) -> dict[str, gr.components.Component]:
        """What goes into a link."""
        return {name: getattr(self, name) for name in ("method", "density", "rank", "election", "seed", "prompt")}

    def _made(self, values: dict, adapters, weights, method: str, stop: threading.Event, report):
        from playground.labs.adapters import composing

        return composing.compose(
            adapters,
            weights,
            method,
            float(values[self.density]),
            int(values[self.rank]),
            int(values[self.seed] or 0),
            values[self.election],
            report,
            stop,
        )

    def work(self, values: dict, stop: threading.Event) -> Iterator[dict]:
        """Composes in the picked way; the model, the exact mixture and the composed adapter answer."""
        from playground.engine.adapters import Attached
        from playground.engine.sampling import Sampling
        from playground.labs.chat import replies as chat
        from playground.labs.internals import edited
        from playground.views.internals import written
        from playground.views.merge import adapters as view

        adapters, weights = self.rack.adapters(values)
        method, base = METHODS[values[self.method]], self.rack.base(values)
        found = yield from self.desk.told(
            lambda report: self._made(values, adapters, weights, method, stop, report), stop
        )
        if found is None:
            return
        yield {
            self.told: view.told(found),
            self.layers: gr.update(value=view.by_layer(found), visible=True),
            self.desk.status: note("Writing …"),
        }
        with self.desk.page.models.lease(base) as engine:
            ids = chat.prompt_ids(engine, [{"role": "user", "content": values[self.prompt] or ""}])
            taps = [
                None,
                Attached(engine, adapters, [weights]).tap,
                Attached(engine, [found.adapter], [[1.0]]).tap,
            ]
            names = ["As it is", "The exact mixture", f"Composed by {method}"]
            sampling = Sampling(max_new_tokens=40, temperature=0)
            with closing(edited.at_once(engine, ids, sampling, taps, stop)) as texts:
                for replies in paced(texts, per_second=10):
                    yield {self.written: written.side_by_side("", names, replies, title_of(base))}

    def compare(self, values: dict, stop: threading.Event) -> Iterator[dict]:
        """Composes in every way and draws the errors."""
        from playground.errors import PlaygroundError
        from playground.views.merge import adapters as view

        adapters, weights = self.rack.adapters(values)
        found, refused = [], []
        for n, method in enumerate(METHODS.values()):

            def make(report, method: str = method, n: int = n):
                def part(fraction, sentence):
                    report((n + (fraction or 0)) / len(METHODS), f"{method}: {sentence}")

                return self._made(values, adapters, weights, method, stop, part)

            try:
                one = yield from self.desk.told(make, stop)
            except PlaygroundError as error:
                if stop.is_set() or not found:
                    raise
                refused.append(f"{method}: {error}")
                continue
            if one is None:
                return
            found.append(one)
            yield {self.chart: gr.update(value=view.errors(found, METHODS[values[self.method]]), visible=True)}
        if refused:
            yield {self.told: "".join(note(sentence) for sentence in refused)}

    def save(self, values: dict, stop: threading.Event) -> Iterator[dict]:
        """Saves what the picked way makes as a PEFT folder among this machine's own files."""
        from playground.labs.adapters import files

        adapters, weights = self.rack.adapters(values)
        base, page = self.rack.base(values), self.desk.page
        method = METHODS[values[self.method]]
        found = yield from self.desk.told(
            lambda report: self._made(values, adapters, weights, method, stop, report), stop
        )
        if found is None:
            return
        folder = files.keep(found.adapter, base, files.facts(found, base), page.settings)
        yield {self.path: gr.update(value=str(folder), visible=True)}


def build(page: Page, rack: Rack) -> Bench:
    gr.HTML(INTRODUCTION, elem_id="merge-compose-introduction", elem_classes="introduction")
    parts: dict = {}
    with gr.Row(elem_classes="asked"):
        parts["method"] = gr.Dropdown(
            list(METHODS),
            value="svd: the sum, cut to a rank",
            label="Way",
            elem_id="merge-compose-method",
            min_width=280,
        )
        parts["rank"] = gr.Slider(
            1, 64, 8, step=1, label="Rank", info="Of what is cut. cat has the sum of all ranks.", min_width=180
        )
        parts["density"] = gr.Slider(
            0.05,
            1,
            0.5,
            step=0.05,
            label="Density",
            info="Share of numbers kept by ties, dare and prune.",
            min_width=180,
        )
        parts["election"] = gr.Radio(
            ["total", "frequency"], value="total", label="Sign election", info="By sum, or by number.", min_width=160
        )
        parts["seed"] = gr.Number(0, label="Seed", info="Of what DARE drops.", precision=0, min_width=100)
    parts["prompt"] = gr.Textbox(
        "What is the capital of Germany?", label="Prompt", lines=1, elem_id="merge-compose-prompt"
    )
    with gr.Row(elem_classes="buttons"):
        run = gr.Button("Compose and answer", variant="primary", elem_id="merge-compose-run")
        compare = gr.Button("Errors of all ways", elem_id="merge-compose-all")
        save = gr.Button("Save as an adapter", elem_id="merge-compose-save")
        stop = gr.Button("Stop", variant="stop", elem_id="merge-compose-stop")
    status = gr.HTML(elem_id="merge-compose-status", elem_classes="doing")
    parts["told"] = gr.HTML(elem_id="merge-compose-told", elem_classes="verdict")
    parts["written"] = gr.HTML(elem_id="merge-compose-written")
    parts["chart"] = gr.Plot(show_label=False, visible=False, elem_id="merge-compose-errors")
    parts["layers"] = gr.Plot(show_label=False, visible=False, elem_id="merge-compose-layers")
    parts["path"] = gr.Textbox(
        visible=False,
        label="Saved in",
        info="A folder that PEFT reads. Name it above as an adapter of your own, or add +adapter:folder to a model.",
        interactive=False,
        buttons=["copy"],
        elem_id="merge-compose-path",
    )
    bench = Bench(desk=desk.build(page, "Adapters: Compose", status, stop), rack=rack, **parts)
    inputs = rack.all | {parts[name] for name in ("method", "rank", "density", "election", "seed", "prompt")}
    bench.desk.on([run.click], bench.work, inputs, [bench.told, bench.written, bench.layers])
    bench.desk.on([compare.click], bench.compare, inputs, [bench.chart, bench.told])
    bench.desk.on([save.click], bench.save, inputs, [bench.path])
    return bench
