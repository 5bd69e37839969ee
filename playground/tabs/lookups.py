"""Lookups in Gradio's own page script, made by table instead of by search.

For each look at a component Gradio's script walks through the whole page, and on opening it compares every component
with every event. With this page's 1,700 components and 900 events that is what opening it, and each update while a
reply streams, spend most of their time on. The same answers come from a table here: the two functions are replaced in
the script as it is served, if they read as they are known to; otherwise it is served as it is, and the page is slower.
The installed package is not touched.
"""

import re
from collections.abc import Callable
from pathlib import Path

import gradio as gr
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

SCRIPTS = Path(gr.__file__).parent / "templates" / "frontend" / "assets"

# Finds the component with a given id under a node; here, in a table that is made when a node is first looked under.
FIND = re.compile(
    r"function (?P<name>\w+)\(e,t\)\{if\(e\.id===t\)return e;if\(e\.children\)for\(let n of e\.children\)"
    r"\{let e=(?P=name)\(n,t\);if\(e\)return e\}return null\}"
)
FIND_BY_TABLE = (
    r"function \g<name>(e,t){let n=\g<name>.under.get(e);if(!n){n=new Map;"
    r"let t=e=>{n.has(e.id)||n.set(e.id,e);e.children&&e.children.forEach(t)};t(e);\g<name>.under.set(e,n)}"
    r"return n.get(t)??null}\g<name>.under=new WeakMap;"
)
# Where a part of the page is rendered anew: the nodes under it are others now, so the tables are forgotten.
RENDER = re.compile(r",a=(?P<find>\w+)\(this\.root,i\.id\);(?=if\(!a\)throw Error\(`Rerender failed)")
RENDER_AND_FORGET = r"\g<0>\g<find>.under=new WeakMap;"

# The events that a component has listeners for: of each listener, the first of its events that is this component's.
EVENTS = re.compile(
    r"find_attached_events\(e,t\)\{let n=t\.filter\(t=>t\.targets\.find\(\(\[t\]\)=>t===e\.id\)\)\.map\(t=>\{"
    r"let n=t\.targets\.find\(\(\[t\]\)=>t===e\.id\);return n\?n\[1\]:null\}\)\.filter\(Boolean\);"
    r"return e\.props\.shared_props\.attached_events=n,e\}"
)
EVENTS_BY_TABLE = (
    r"find_attached_events(e,t){if(this.listened_to!==t){this.listened_to=t;this.events_of=new Map;"
    r"for(let n of t){let t=new Set;for(let[e,r]of n.targets)if(!t.has(e)){t.add(e);"
    r"if(r){let t=this.events_of.get(e);t?t.push(r):this.events_of.set(e,[r])}}}}"
    r"return e.props.shared_props.attached_events=[...this.events_of.get(e.id)??[]],e}"
)


def by_table(script: str) -> str | None:
    """The script with its searches replaced, or None if it is not the one that has them."""
    for pattern, replacement in ((RENDER, RENDER_AND_FORGET), (FIND, FIND_BY_TABLE), (EVENTS, EVENTS_BY_TABLE)):
        script, found = pattern.subn(replacement, script)
        if found != 1:
            return None
    return script


def use_tables(blocks: gr.Blocks) -> None:
    """Serves the script with tables from now on; call it when the page has been launched."""
    for path in SCRIPTS.glob("core-*.js"):
        if script := by_table(path.read_text("utf-8")):
            blocks.app.router.routes.insert(0, Route(f"/assets/{path.name}", _serving(script)))


def _serving(script: str) -> Callable:
    async def serve(request: Request) -> Response:
        return Response(script, media_type="text/javascript", headers={"Cache-Control": "no-cache"})

    return serve
