"""The Export pane of the Attention tab: what is shown as files, and as Python that makes it again.

It does not know what is in the files.
"""

import threading

import gradio as gr

from playground.errors import PlaygroundError
from playground.tabs.attention.map import HEAD, MapPane
from playground.tabs.attention.panes import Bench, Pane
from playground.tabs.attention.source import fitting, nearest
from playground.tabs.files import write_files
from playground.tabs.kit import title_of
from playground.views.attention import export
from playground.views.continuations import note

TITLE = "Export"
INTRODUCTION = (
    "What Map is set to as a table, every head as JSON and as one HTML page that opens without a network, and the "
    "Python that makes the map again. A PNG comes from the camera in the corner of every chart: your browser draws it."
)
TOO_MANY = "All heads together are more than a million weights, so the JSON and the page hold the map alone."
FAR_TOO_MANY = (
    "This map alone is more than a million weights, too much for these files: shorten the text to 1,000 tokens, or run "
    "the Python below, which saves them for NumPy."
)


def build(bench: Bench, map_pane: MapPane) -> None:
    """Lays out the pane and connects it."""
    source = bench.source
    caption = gr.HTML(note(INTRODUCTION), elem_id="export-caption")
    files = gr.File(label="Files", file_count="multiple", interactive=False, elem_id="export-files")
    code = gr.Code(label="Python", language="python", interactive=False, elem_id="export-code")

    def draw(values: dict, stop: threading.Event) -> dict:
        asked, chosen = source.read(values), map_pane.choice(values)
        maps = source.maps(asked, layer=chosen.only, stop=stop)
        part = chosen.of(maps)
        whole = maps if len(maps.layers) == maps.n_layers and maps.weights.size <= export.MOST_VALUES else part
        layer, head = nearest(chosen.layer, maps.layers), nearest(chosen.head, maps.heads)
        which = {} if chosen.only is None else {"layers": [layer], "heads": [head] if chosen.how == HEAD else None}
        said = FAR_TOO_MANY if part.weights.size > export.MOST_VALUES else TOO_MANY if whole is part else ""
        paths = [] if said == FAR_TOO_MANY else written(part, whole, title_of(asked.reference), layer, head)
        return {
            caption: note(f"{INTRODUCTION} {said}".strip()),
            files: paths,
            code: script(asked, which, stop),
        }

    def written(part, whole, title: str, layer: int, head: int) -> list[str]:
        """Paths of the files: the map, and with it all that the page can hold."""
        contents = {
            "attention-map.csv": export.as_csv(part),
            "attention.json": export.as_json(whole),
            "attention.html": export.as_html(whole, title, layer, head),
        }
        return write_files(contents)

    def script(asked, which: dict, stop: threading.Event) -> str:
        """Python for the maps that the picture is made of, or a comment that says why there is none."""
        from playground.labs.attention import maps as attention
        from playground.labs.attention import replay as attention_replay

        with bench.page.models.lease(asked.reference) as engine:
            place = fitting(engine, asked).stack_and_kind
            try:
                maps = attention.attention(
                    engine, asked.text, asked.pair, complete=asked.complete, stop=stop, **which, **place
                )
                return attention_replay.replay(engine, maps)
            except PlaygroundError as error:
                return f"# {error}"

    pane = Pane(TITLE, map_pane.pane.inputs, [caption, files, code], draw)
    bench.add(pane)
