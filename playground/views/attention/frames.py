"""Documents in sandboxed frames: how a frame in a page is written, and how it gets its height.

What is inside can run its own scripts and reach neither the page nor any other machine.
"""

from html import escape

MOST_HIGH = 900  # pixels; what is higher scrolls inside

POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'"
# The page cannot look into the frame, so the frame tells how high it is.
TELL_HEIGHT = (
    "new ResizeObserver(()=>parent.postMessage({frameHeight:document.body.scrollHeight},'*')).observe(document.body);"
)
# A listener for the place that holds a frame: it takes messages of that frame only.
RESIZE = f"""
window.addEventListener('message', (event) => {{
  const frame = element.querySelector('iframe');
  if (frame && event.source === frame.contentWindow && Number.isFinite(event.data?.frameHeight))
    frame.style.height = Math.min(Math.ceil(event.data.frameHeight) + 4, {MOST_HIGH}) + 'px';
}});
"""


def frame(document: str, title: str) -> str:
    """An HTML document as a frame for a page."""
    held = document.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    return (
        f'<iframe class="framed" sandbox="allow-scripts" title="{escape(title)}" tabindex="0" srcdoc="{held}"></iframe>'
    )
