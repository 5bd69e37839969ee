"""The report button beside the tabs: what was computed on this visit, gathered and put into one file by the browser.

Here is only said where results are (`results.experiments`) and what they are called; the server keeps nothing of it.
"""

import importlib.metadata
import json
from typing import Any

import gradio as gr

from playground.assets import ASSETS
from playground.tabs import page_script, results
from playground.tabs.kit import Page
from playground.tabs.results import Component, Experiment

# A change of what an experiment shows, or of what it says it does, hands all its values to report.js.
HEARD = "(...values) => { window.dispatchEvent(new CustomEvent('playground-result', {detail: {of: %d, values}})); }"
# The same of all of them at once: what has come while its tab was not open changed nothing that could be heard.
COLLECTED = """(...values) => {
  let from = 0;
  %s.forEach((n, of) => {
    window.dispatchEvent(new CustomEvent('playground-result', {detail: {of, values: values.slice(from, from += n)}}));
  });
}"""
ONLY_HERE: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}


def build() -> gr.HTML:
    """Lays out the button and its dialog; `connect` does the rest once the tabs stand."""
    return gr.HTML((ASSETS / "report.html").read_text("utf-8"), elem_id="report")


def connect(page: Page, place: gr.HTML) -> list[Experiment]:
    """Lets the browser hear of every experiment of the page."""
    found = results.experiments(page.blocks, list(page.forms.strips.values()))
    values = [[*one.asked, *one.shown, *one.doing] for one in found]
    for at, (one, of_one) in enumerate(zip(found, values, strict=True)):
        for component in (*one.asked, *one.shown):
            component.elem_id = component.elem_id or f"part-{component._id}"
        changes = [c.change for c in (*one.shown, *one.doing) if not isinstance(c, gr.Textbox)]
        gr.on(changes, None, of_one, None, js=HEARD % at, **ONLY_HERE)
    scripts = [(ASSETS / name).read_text("utf-8") for name in ("report-file.js", "report-kept.js", "report.js")]
    told = {"EXPERIMENTS": [_told(one, page) for one in found], "PAGE": _page()}
    constants = [f"const {name} = {json.dumps(value)};" for name, value in told.items()]
    place.js_on_load = "\n".join([*constants, *scripts])
    every = [component for of_one in values for component in of_one]
    place.collect(None, every, None, js=COLLECTED % json.dumps([len(of_one) for of_one in values]), **ONLY_HERE)
    return found


def _told(one: Experiment, page: Page) -> dict[str, Any]:
    """What the scripts know of an experiment."""
    asked = [_box(c, page) for c in one.asked]
    return {"place": one.place, "asked": asked, "shown": [_part(c, one) for c in one.shown], "doing": len(one.doing)}


def _box(component: Component, page: Page) -> dict[str, Any]:
    told = {"label": component.label or "", "kind": kind(component)}
    if component is page.reference:
        told["model"] = True
    if component.visible is False:  # it counts when it has been made visible, and is found by this name then
        told["hidden"] = component.elem_id
    return told


def _part(component: Component, one: Experiment) -> dict[str, Any]:
    around = [place.elem_id for place in results.above(component) if getattr(place, "elem_id", None)]
    titles = [
        place.label
        for place in results.above(component)
        if isinstance(place, gr.Tab | gr.Accordion) and place.label and place.label not in one.place
    ]
    return {
        "kind": kind(component), "id": component.elem_id, "around": [name for name in around if name != "tabs"],
        "title": titles[0] if titles else "",
        "empty": component.value or "" if isinstance(component, gr.HTML) else "",  # what stands there before results
    }  # fmt: skip


def kind(component: Component) -> str:
    return type(component).__name__.lower()


def _page() -> dict[str, str]:
    """What of the page goes into a report."""
    names = ("gradio", "torch", "transformers")
    return {
        "css": (ASSETS / "style.css").read_text("utf-8"),
        "own": (ASSETS / "report.css").read_text("utf-8"),
        "versions": ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names),
        "plotly": f"assets/{next(page_script.SCRIPTS.glob('PlotlyPlot-*.js')).name}",
    }
