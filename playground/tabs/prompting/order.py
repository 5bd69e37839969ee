"""The examples of a prompt as a row of chips, put in another order by dragging them or with the arrow keys."""

from collections.abc import Sequence
from html import escape
from typing import TypeVar

import gradio as gr

from playground.labs.prompting.prompts import Example
from playground.views.continuations import note

T = TypeVar("T")
HOW = "The order counts. Drag an example to where it belongs, or pick it and press the arrow keys."
LONGEST = 42  # letters of an example on its chip

# A chip follows the pointer through the list; where it is let go, the server is told from which place to which.
DRAG = """
let held = null, focused = null;
const places = () => [...element.querySelectorAll('[data-line]')];
const tell = (from, to) => {
  places().forEach((chip, at) => { chip.dataset.line = at; });  // a second drag may begin before the answer comes
  trigger('select', {index: [from, to], value: `${from}`});
};
const putBack = () => {
  if (!held) return;
  held.classList.remove('held');
  const others = places().filter((chip) => chip !== held), next = others[Number(held.dataset.line)];
  if (next) next.before(held); else others.at(-1)?.after(held);
  held = null;
};
element.addEventListener('pointerdown', (event) => {
  held = event.button ? null : event.target.closest('[data-line]');
  if (held) held.setPointerCapture(event.pointerId);
});
element.addEventListener('pointermove', (event) => {
  if (!held) return;
  held.classList.add('held');
  const under = document.elementFromPoint(event.clientX, event.clientY)?.closest('[data-line]');
  if (!under || under === held || !element.contains(under)) return;
  const all = places();
  under[all.indexOf(held) < all.indexOf(under) ? 'after' : 'before'](held);
});
element.addEventListener('pointerup', () => {
  if (!held) return;
  const from = Number(held.dataset.line), to = places().indexOf(held);
  held.classList.remove('held');
  held = null;
  if (from !== to) tell(from, to);
});
element.addEventListener('pointercancel', putBack);
element.addEventListener('keydown', (event) => {
  const by = {ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1}[event.key];
  const chip = event.target.closest('[data-line]');
  if (!by || !chip) return;
  event.preventDefault();
  const from = Number(chip.dataset.line), to = from + by;
  if (to < 0 || to >= places().length) return;
  focused = to;
  places()[to].focus();
  tell(from, to);
});
new MutationObserver(() => {
  if (focused === null || element.contains(document.activeElement)) return;
  places()[focused]?.focus();
  focused = null;
}).observe(element, {subtree: true, childList: true});
"""


def chips(examples: Sequence[Example]) -> str:
    """HTML of the examples in their order, nothing of fewer than two."""
    if len(examples) < 2:
        return ""
    items = "".join(
        f'<button type="button" data-line="{i}" title="{escape(example.question, quote=True)}">'
        f"<b>{i + 1}</b> {escape(_short(example))}</button>"
        for i, example in enumerate(examples)
    )
    return f'{note(HOW)}<div class="lab-order" role="group" aria-label="Order of the examples">{items}</div>'


def moved(items: Sequence[T], start: int, to: int) -> tuple[T, ...]:
    """The items with one of them at another place. A place that there is not leaves them as they are."""
    if not (0 <= start < len(items) and 0 <= to < len(items)):
        return tuple(items)
    order = list(items)
    order.insert(to, order.pop(start))
    return tuple(order)


def build(examples: Sequence[Example]) -> gr.HTML:
    return gr.HTML(chips(examples), elem_id="lab-order", js_on_load=DRAG)


def _short(example: Example) -> str:
    question = " ".join(example.question.split())
    question = question if len(question) <= LONGEST else question[: LONGEST - 1].rstrip() + "…"
    return f"{question} → {example.answer}" if example.answer else question
