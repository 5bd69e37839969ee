"""The Logit lens pane of the Internals tab: what the model would say after each layer, at each token.

It does not know how the lens is computed or drawn.
"""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace

import gradio as gr

from playground.errors import PlaygroundError
from playground.tabs import sending
from playground.tabs.attention.panes import Pane, progress, reported
from playground.tabs.attention.source import second_box
from playground.tabs.files import write_files
from playground.tabs.forms import Box
from playground.tabs.internals import INTERNALS
from playground.tabs.internals.benches import asked, bench
from playground.tabs.kit import AT_ONCE, RESULTS_BEGIN, SEEN, UNSEEN, Page, Parcel, places, title_of
from playground.views.internals import lens_words as words

TITLE = "Logit lens"
TAKES_TEXTS = True
THE_TEXT, THE_LAYER = "the text", "the layer of the cell looked at"
SENDING = {
    THE_TEXT: sending.elsewhere(sending.A_PROMPT, sending.LENS),
    THE_LAYER: (sending.ABLATION, sending.STEERING, sending.PROBING, sending.ATTENTION),
}
PAGE = 40  # positions shown at once
TOP = 10  # tokens listed for a cell
# For the grid: a click marks its cell and is a `select`; the arrow keys go from cell to cell.
CELLS = """
const at = (button) => button.dataset.at.split(',').map(Number);
const mark = (button) => {
  for (const one of [...element.querySelectorAll('[aria-pressed=true]'), button]) {
    one.setAttribute('aria-pressed', String(one === button));
    one.tabIndex = one === button ? 0 : -1;
  }
};
element.addEventListener('click', (event) => {
  const button = event.target.closest('button[data-at]');
  if (!button) return;
  mark(button);
  trigger('select', {index: at(button), value: button.dataset.at});
});
new MutationObserver(() => {  // a new grid: what is looked at may stand far to the right
  const button = element.querySelector('[aria-pressed=true]'), box = element.querySelector('.lens');
  if (button && box) box.scrollLeft = button.offsetLeft - box.clientWidth / 2;
}).observe(element, {childList: true, subtree: true});
const steps = {ArrowUp: [1, 0], ArrowDown: [-1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1]};
element.addEventListener('keydown', (event) => {
  const button = event.target.closest('button[data-at]'), step = steps[event.key];
  if (!button || !step) return;
  const [row, column] = at(button);
  const next = element.querySelector(`button[data-at="${row + step[0]},${column + step[1]}"]`);
  if (!next) return;
  event.preventDefault();
  button.tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
});
"""


@dataclass(frozen=True)
class Example:
    caption: str
    text: str
    follow: str = ""


EXAMPLES = (
    Example("The capital of France is", "The capital of France is", "London"),
    Example("The opposite of hot is", "The opposite of hot is", "warm"),
    Example("The cat sat on the mat because it was", "The cat sat on the mat because it was", "comfortable"),
)
FIRST = EXAMPLES[0]


@dataclass(frozen=True, eq=False)
class Shown:
    """The lens on the page and the cell that is looked at, so that a click needs no model."""

    seen: object  # labs.internals.lens.Lens
    title: str
    warning: str  # why the word to follow is not drawn
    picked: tuple[int, int]  # row, column


@dataclass(frozen=True, eq=False)
class LensPane:
    """What draws the lens."""

    pane: Pane
    pages: Pane  # the same from the position on the slider


def build(page: Page, inbox: gr.State) -> LensPane:
    """Lays out the pane and connects it. inbox: what other tabs send."""
    with gr.Row(elem_classes="examples", elem_id="lens-examples"):
        gr.HTML("Examples:")
        buttons = [gr.Button(example.caption, size="sm", min_width=0) for example in EXAMPLES]
    with gr.Row(elem_id="lens-ask"):
        text = gr.Textbox(
            FIRST.text,
            label="Text",
            info="What the model reads. Enter looks at it.",
            lines=1,
            max_lines=6,
            scale=5,
            min_width=280,
            elem_id="lens-text",
        )
        follow = gr.Textbox(
            FIRST.follow,
            label="A word to follow",
            info="Optional. Its rank is drawn beside the answer's.",
            max_lines=1,
            scale=2,
            min_width=180,
            elem_id="lens-follow",
        )
        with gr.Column(scale=1, min_width=110, elem_id="lens-buttons"):
            look = gr.Button("Look", variant="primary", elem_id="lens-look")
            stop = gr.Button("Stop", variant="stop", elem_id="lens-stop")
    written = gr.Textbox(
        label="What it has written so far",
        info="An encoder-decoder reads the text above; the lens looks at what it writes about it.",
        visible=False,
        elem_id="lens-written",
    )
    complete = gr.Checkbox(False, label="Special tokens are in the text already", visible=False)
    sending_place = gr.Column(min_width=0)
    status = gr.HTML(elem_id="lens-status")
    with gr.Row(elem_id="lens-choices"):
        colour = gr.Radio(
            list(words.COLOURS), value=words.PROBABILITY, label="Colour of a cell", scale=3, elem_id="lens-colour"
        )
        first = gr.Slider(
            0,
            PAGE,
            0,
            step=1,
            label="First position shown",
            info=f"{PAGE} are shown at once.",
            visible=False,
            scale=2,
            elem_id="lens-first",
        )
    shown = gr.State()
    gr.HTML(words.ABOUT, elem_id="lens-about", elem_classes=RESULTS_BEGIN)
    caption = gr.HTML(elem_id="lens-caption")
    with gr.Column(**UNSEEN, elem_id="lens-outcome") as outcome:
        with gr.Row(elem_id="lens-row"):
            with gr.Column(scale=5, min_width=320):
                grid = gr.HTML(elem_id="lens-grid", js_on_load=CELLS)
            with gr.Column(scale=3, min_width=320, elem_id="lens-cell"):
                detail = gr.HTML(elem_id="lens-detail")
                with gr.Column(min_width=300):
                    curve = gr.Radio([words.RANK, words.SHARE], value=words.RANK, label="Curves", elem_id="lens-curve")
                    curve_note = gr.HTML(elem_id="lens-curve-note")
                    chart = gr.Plot(show_label=False, elem_id="lens-chart")
        with gr.Accordion("Downloads", open=False, elem_id="lens-export"):
            files = gr.File(label="A row a cell as CSV, everything as JSON", file_count="multiple", interactive=False)

    def draw(values: dict, halted: threading.Event, begin: int | None = None) -> Iterator[dict]:
        """The lens over one page of positions; without `begin`, the last page, where the answer is."""
        from playground.labs.internals import contrasts
        from playground.labs.internals import lens as lab

        reference = values[page.reference] or ""
        if not (values[text] or "").strip():
            raise PlaygroundError("There is no text to read. Type some, or press an example.")
        begin = -PAGE if begin is None else begin
        end = None if begin == -PAGE else begin + PAGE

        def work(report):
            with page.models.lease(reference) as engine:
                word, warning = (values[follow] or "").strip(), ""
                try:
                    word and contrasts.answer_token(engine, values[text], word)
                except PlaygroundError as error:  # the lens is worth seeing without it
                    word, warning = "", str(error)
                said = (values[written] or "").strip() if engine.anatomy.kind == "seq2seq" else ""
                seen = lab.lens(
                    engine, values[text], TOP, word, said, begin, end, values[complete], report=report, stop=halted
                )
            return Shown(seen, title_of(reference), warning, words.last_cell(seen))

        for news in reported(work, halted):
            yield drawn(news, values) if isinstance(news, Shown) else {status: progress(*news)}

    def drawn(now: Shown, values: dict) -> dict:
        from playground.views.internals import lens as view
        from playground.views.internals import lens_files

        seen = now.seen
        most = max(seen.n_positions - PAGE, 1)
        return {
            shown: now,
            outcome: gr.update(**SEEN),
            caption: words.caption(seen, now.title, values[colour], now.warning),
            grid: view.grid(seen, values[colour], now.picked),
            first: gr.update(maximum=most, value=min(int(seen.positions[0]), most), visible=seen.n_positions > PAGE),
            files: write_files(
                {"logit-lens.csv": lens_files.as_csv(seen), "logit-lens.json": lens_files.as_json(seen)}
            ),
        } | at_cell(now, values[curve])

    def at_cell(now: Shown, kind: str) -> dict:
        from playground.views.internals import lens as view

        row, column = now.picked
        return {
            detail: view.detail(now.seen, row, column),
            curve_note: words.curve_note(now.seen, column, kind),
            chart: view.curves(now.seen, column, kind),
        }

    cell_parts = [detail, curve_note, chart]

    def pick(now: Shown | None, kind: str, event: gr.SelectData) -> dict:
        if now is None:
            return {shown: gr.skip()}
        row, column = map(round, places(event))
        row = min(max(row, 0), len(now.seen.layers) - 1)
        now = replace(now, picked=(row, min(max(column, 0), len(now.seen.labels) - 1)))
        return {shown: now} | at_cell(now, kind)

    def turn(now: Shown | None, kind: str) -> dict:
        return {detail: gr.skip()} if now is None else at_cell(now, kind)

    def paint(now: Shown | None, by: str) -> dict:
        if now is None:
            return {caption: gr.skip()}
        from playground.views.internals import lens as view

        return {caption: words.caption(now.seen, now.title, by, now.warning), grid: view.grid(now.seen, by, now.picked)}

    desk = bench(page, status)
    inputs = {text, follow, written, complete, colour, curve, first}
    outputs = [shown, outcome, caption, grid, first, files, *cell_parts]
    pane = Pane(TITLE, inputs, outputs, draw)
    paged = Pane(TITLE, inputs, outputs, lambda values, halted: draw(values, halted, int(values[first])))

    def listen(event) -> gr.events.Dependency:
        return desk.draw_after(event, pane)

    begun = asked(desk, look.click, text.submit, follow.submit, written.submit)
    listen(begun.success)
    stop.click(desk.stops.halt, None, None, **AT_ONCE)
    desk.draw_after(first.input, paged)
    grid.select(pick, [shown, curve], [shown, *cell_parts], trigger_mode="always_last", **AT_ONCE)
    curve.input(turn, [shown, curve], cell_parts, **AT_ONCE)
    colour.input(paint, [shown, colour], [caption, grid], **AT_ONCE)

    def adapt(reference: str | None) -> dict:
        use = second_box(page, reference or "")
        return gr.update(visible=use == "target")

    gr.on([page.blocks.load, page.reference.change], adapt, page.reference, written, **AT_ONCE)
    page.made_ready.success(adapt, page.reference, written, **AT_ONCE)

    for button, example in zip(buttons, EXAMPLES, strict=True):
        filled = button.click(
            lambda example=example: [example.text, example.follow, gr.update(value=False, visible=False)],
            None,
            [text, follow, complete],
            **AT_ONCE,
        )
        listen(filled.success)

    def receive(parcel: Parcel) -> list:
        return [parcel.text, parcel.follow, "", gr.update(value=parcel.complete, visible=True)]

    def pack(values: dict, what: str, visitor: str) -> Parcel:
        sent = Parcel(values[text] or "", complete=bool(values[complete]))
        return sent if what == THE_TEXT else replace(sent, layer=layer_of(values[shown]), part="layer")

    boxes = {"text": text, "follow": follow, "written": written, "colour": colour, "curves": curve}
    page.forms.offer(INTERNALS, TITLE, boxes | {"special": Box(complete, shows=True)})
    sending.take(inbox, receive, [text, follow, written, complete], lambda came: listen(came.success))
    with sending_place:
        sending.row(page, "lens-send-to", SENDING, {text, complete, shown}, pack)
    return LensPane(pane, paged)


def layer_of(now: Shown | None) -> int:
    """The layer of the cell that is looked at.

    Raises:
        PlaygroundError: there is none.
    """
    name = now.seen.layers[now.picked[0]] if now else ""
    if not name.isdigit():
        raise PlaygroundError("No layer is looked at. Press Look, then click a cell of one.")
    return int(name)
