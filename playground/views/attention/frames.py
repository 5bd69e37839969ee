"""Documents in sandboxed frames: how a frame in a page is written, and how it gets its height.

What is inside can run its own scripts and reach neither the page nor any other machine. Where the page may run only
scripts that carry the number of its own answer, its frames may too: they are filled in the browser, which knows it.
"""

import re
from html import escape

MOST_HIGH = 900  # pixels; what is higher scrolls inside

POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'"
# The page cannot look into the frame, so the frame tells how high it is.
TELL_HEIGHT = (
    "new ResizeObserver(()=>parent.postMessage({frameHeight:document.body.scrollHeight},'*')).observe(document.body);"
)
NUMBER = "nonce=NUMBER-OF-THE-PAGE"
# For the place that holds a frame: fills it, and listens to messages of that frame only.
RESIZE = f"""
const number = document.querySelector('script[nonce]')?.nonce;
const fill = () => {{
  for (const frame of element.querySelectorAll('iframe[data-held]')) {{
    frame.srcdoc = frame.dataset.held.replaceAll('{NUMBER}', number ? 'nonce=' + number : '');
    frame.removeAttribute('data-held');
  }}
}};
// Gradio turns the frame that stands there into the next one by its attributes
new MutationObserver(fill).observe(element, {{subtree: true, childList: true, attributeFilter: ['data-held']}});
fill();
window.addEventListener('message', (event) => {{
  const frame = element.querySelector('iframe');
  if (frame && event.source === frame.contentWindow && Number.isFinite(event.data?.frameHeight))
    frame.style.height = Math.min(Math.ceil(event.data.frameHeight) + 4, {MOST_HIGH}) + 'px';
}});
"""


def frame(document: str, title: str) -> str:
    """An HTML document as a frame for a page; `RESIZE` fills it there."""
    # from a tag to its end: what stands inside a script may look like a tag, and is left as it is
    held = re.sub(r"<script(?=[\s>])(.*?</script>)", rf"<script {NUMBER}\1", document, flags=re.DOTALL)
    held = held.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    about = f'class="framed" sandbox="allow-scripts" title="{escape(title)}" tabindex="0"'
    return f'<iframe {about} data-held="{held}"></iframe>'
