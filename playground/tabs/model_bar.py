"""The bar on top of the page: pick a model, see how it stands, load it, give its memory back.

It does not know what the tabs do with the model. How a model stands is the same for every visitor; which one is
picked is each visitor's own.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import gradio as gr

from playground.errors import PlaygroundError
from playground.models import sources
from playground.models.cache import ModelCache
from playground.models.catalog import Entry, catalog
from playground.settings import Settings
from playground.tabs.kit import AT_ONCE, MAY_REFUSE, title_of, user_errors
from playground.views import ledger as ledger_view
from playground.views import status as status_view
from playground.views.quantities import count

REFRESH_SECONDS = 1.5
AUTOMATIC = "auto"
PRECISIONS = [AUTOMATIC, "int8", "bfloat16", "float16", "float32"]
KINDS = {  # in the order of the list
    "chat": "chat",
    "base": "continues text",
    "seq2seq": "text to text",
    "masked": "fills blanks",
    "embedding": "sentence vectors",
}


@dataclass(frozen=True)
class ModelBar:
    reference: gr.Dropdown  # the model that this visitor has picked, as text
    made_ready: gr.events.Dependency  # the Load button has done its work
    load_now: gr.State  # whoever changes it has that work done


@dataclass(frozen=True)
class View:
    """What the bar shows. Sent only when it has changed, so that nothing flickers."""

    status: str
    ledger: str
    can_load: bool
    can_unload: bool
    served: tuple[str, ...]  # references of models that run elsewhere, for the picker


def build(blocks: gr.Blocks, models: ModelCache, settings: Settings) -> ModelBar:
    with gr.Group(elem_id="model-bar"):
        with gr.Row():
            reference = gr.Dropdown(
                choices(settings),
                value=settings.default_models[0],
                label="Model in use",
                info=what_may_be_typed(settings),
                allow_custom_value=True,
                scale=5,
                min_width=280,
                elem_id="model",
            )
            precision = gr.Dropdown(
                PRECISIONS,
                value=AUTOMATIC,
                label="Precision",
                info="int8 is quicker on a CPU.",
                scale=1,
                min_width=130,
                elem_id="precision",
            )
            status = gr.HTML(elem_id="status", scale=4, min_width=260)
            with gr.Column(scale=1, min_width=100, elem_id="model-buttons"):
                load = gr.Button("Load", size="sm", elem_id="load")
                unload = gr.Button("Unload", size="sm", interactive=False, elem_id="unload")
        with gr.Accordion("Memory", open=False, elem_id="memory"):
            ledger = gr.HTML()
    shown, load_now = gr.State(), gr.State("")

    def refresh(picked: str | None, last: View | None) -> list:
        view = look(models, picked or "")
        if view == last:
            return [gr.skip()] * 6
        known = last.served if last else ()
        offer = gr.skip() if view.served == known else gr.update(choices=choices(settings, picked or "", view.served))
        return [
            view.status,
            view.ledger,
            gr.update(interactive=view.can_load),
            gr.update(interactive=view.can_unload),
            view,
            offer,
        ]

    def get_ready(picked: str | None):
        with user_errors():
            for _ in models.arriving(picked or ""):
                yield  # the bar itself shows how far it is

    def give_back(picked: str | None) -> None:
        with user_errors():
            models.unload(picked or "")

    def in_precision(picked: str | None, chosen: str) -> dict:
        """The picked model in the chosen precision, offered by name in the list."""
        plain = (picked or "").partition("#")[0]
        wanted = plain if chosen == AUTOMATIC or not plain else f"{plain}#{chosen}"
        return gr.update(choices=choices(settings, wanted, models.endpoints.offered()), value=wanted)

    def precision_of(picked: str | None) -> dict:
        suffix = (picked or "").partition("#")[2]
        elsewhere = (picked or "").startswith("endpoint:")  # there it is its server's
        return gr.update(value=suffix if suffix in PRECISIONS else AUTOMATIC, interactive=not elsewhere)

    precision.input(in_precision, [reference, precision], reference, **AT_ONCE)
    reference.change(precision_of, reference, precision, **AT_ONCE)

    showing = {"inputs": [reference, shown], "outputs": [status, ledger, load, unload, shown, reference], **AT_ONCE}
    made_ready = gr.on([load.click, load_now.change], get_ready, reference, None, **MAY_REFUSE)
    unload.click(give_back, reference, None, **MAY_REFUSE).then(refresh, **showing)
    gr.on([blocks.load, reference.change, gr.Timer(REFRESH_SECONDS).tick], refresh, **showing)
    return ModelBar(reference, made_ready, load_now)


def look(models: ModelCache, picked: str) -> View:
    """How the picked model stands now."""
    served, status = models.endpoints.offered(), models.status(picked)
    return View(
        status_view.html(status, about(picked), models.endpoints.troubles()),
        ledger_view.html(models.ledger(), title_of),
        can_load=status.state in ("absent", "on disk", "failed"),
        can_unload=status.state == "ready",
        served=served,
    )


def about(picked: str) -> str:
    """What the catalog says of a model; nothing of one that is not in it."""
    entry = next((entry for entry in catalog() if entry.reference == picked.partition("#")[0]), None)
    return f"{entry.note} Licence: {entry.licence}.".strip() if entry else ""


def choices(settings: Settings, also: str = "", served: Sequence[str] = ()) -> list[tuple[str, str]]:
    """What is `served` elsewhere as (label, reference); then the catalog, kind by kind and small before large; then
    defaults that are not among them, and `also`."""
    order = list(KINDS)
    entries = sorted(catalog(), key=lambda entry: (order.index(entry.kind), entry.parameters))
    known = {entry.reference for entry in entries}
    others = dict.fromkeys(r for r in (*settings.default_models, also) if r and r not in known and r not in served)
    catalogued = [(label(entry) + missing(entry.reference, settings), entry.reference) for entry in entries]
    return [(title_of(r), r) for r in served] + catalogued + [(title_of(r), r) for r in others]


def label(entry: Entry) -> str:
    return f"{entry.title} · {KINDS[entry.kind]} · {count(entry.parameters)}"


def missing(reference: str, settings: Settings) -> str:
    """What is said of a model that is not here and cannot be fetched; nothing of others."""
    if not settings.offline:
        return ""
    try:
        here = sources.locate(reference, settings) is not None
    except PlaygroundError:  # it is not allowed here; whoever picks it is told why
        return ""
    return "" if here else " · not on this machine"


def what_may_be_typed(settings: Settings) -> str:
    typed = "From the list, or type a hub id: org/name or org/name@revision"
    return f"{typed}, a folder, or a .gguf file." if settings.may_read_local_paths else f"{typed}."
