"""A curve over the layers as a drawing with handles: drag one up or down, and its number changes.

It does not know what the numbers are of.
"""

from collections.abc import Sequence

WIDTH, HEIGHT, EDGE = 300, 92, 10  # of the drawing, in its own units

# For a `gr.HTML`: dragging a handle, or the arrow keys on it, is a `select` whose value is the numbers as text.
DRAG = f"""
const bottom = {HEIGHT - EDGE}, tall = {HEIGHT - 2 * EDGE};
const handles = () => [...element.querySelectorAll('circle')];
const value = (handle) => Math.round((bottom - Number(handle.getAttribute('cy'))) / tall * 20) / 20;
const place = (handle, share) => {{
  const kept = Math.min(1, Math.max(0, share));
  handle.setAttribute('cy', bottom - kept * tall);
  handle.setAttribute('aria-valuenow', kept.toFixed(2));
  const line = element.querySelector('polyline');
  line.setAttribute('points', handles().map((h) => h.getAttribute('cx') + ',' + h.getAttribute('cy')).join(' '));
}};
const tell = () => {{
  const text = handles().map((handle) => String(value(handle))).join(', ');
  trigger('select', {{index: 0, value: text}});
}};
let held = null;
element.addEventListener('pointerdown', (event) => {{
  held = event.target.closest('circle');
  if (held) event.preventDefault();
}});
element.addEventListener('pointermove', (event) => {{
  if (!held) return;
  const box = element.querySelector('svg').getBoundingClientRect();
  place(held, (bottom - (event.clientY - box.top) / box.height * {HEIGHT}) / tall);
}});
window.addEventListener('pointerup', () => {{
  if (held) tell();
  held = null;
}});
element.addEventListener('keydown', (event) => {{
  const step = {{ArrowUp: 0.05, ArrowDown: -0.05}}[event.key];
  if (!step || !event.target.closest('circle')) return;
  event.preventDefault();
  place(event.target, value(event.target) + step);
  tell();
}});
"""


def html(values: Sequence[float]) -> str:
    """The drawing. One number is drawn as a level line with five handles."""
    shown = list(values) if len(values) > 1 else [values[0] if values else 0.5] * 5
    across, tall = (WIDTH - 2 * EDGE) / (len(shown) - 1), HEIGHT - 2 * EDGE
    points = [(EDGE + across * i, HEIGHT - EDGE - min(1.0, max(0.0, v)) * tall) for i, v in enumerate(shown)]
    line = " ".join(f"{x:g},{y:g}" for x, y in points)
    circles = "".join(
        f'<circle cx="{x:g}" cy="{y:g}" r="7" tabindex="0" role="slider" aria-valuemin="0" aria-valuemax="1" '
        f'aria-valuenow="{value:.2f}" aria-orientation="vertical" aria-label="{_where(i, len(shown))}"></circle>'
        for i, ((x, y), value) in enumerate(zip(points, shown, strict=True))
    )
    return (
        f'<svg class="curve" viewBox="0 0 {WIDTH} {HEIGHT}" role="group" aria-label="Share of B over the layers">'
        f'<rect x="{EDGE}" y="{EDGE}" width="{WIDTH - 2 * EDGE}" height="{tall}"></rect>'
        f'<polyline points="{line}"></polyline>{circles}</svg>'
        '<p class="note">Drag a point: left is the first layer, right the last; up is B.</p>'
    )


def _where(i: int, n: int) -> str:
    if i in (0, n - 1):
        return "Share of B in the first layer" if i == 0 else "Share of B in the last layer"
    return f"Share of B at {i / (n - 1):.0%} of the depth"
