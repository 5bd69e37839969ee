"""Gradio's own page script, made quicker as it is served.

Five things take it long on a page of 1,700 components and 900 events, and are replaced by what comes to the same:

- For each look at a component it walks through the whole page, and for each look at what holds one: a table answers.
- On opening, it compares every component with every event: a table again.
- It builds the tree of the page through Svelte's proxies, so that each component gets some, shown or not: the tree is
  built of plain objects, and handed to Svelte when it is whole.
- When it has built the tree it builds it anew, and gives each component that is shown its values a second time, as it
  does when an app has changed under its developer's hands: only then it does now.
- Each time an event begins or goes on, it tells every component how its events stand that ever showed how one stood,
  and copies all that those hold first, and all that is in them, pictures and tables too. It does so to keep what a
  visitor has opened or typed when a component is changed; how an event stands changes nothing of that, so then it does
  not copy. And a component that has been told the same already is not told again.

A file in which one of its pieces does not read as it is known to is served as it is, and the page is slower. The
installed package is not touched.
"""

import re
from collections.abc import Callable
from pathlib import Path

import gradio as gr
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

SCRIPTS = Path(gr.__file__).parent / "templates" / "frontend" / "assets"

# Two functions: the component with a given id under a node, and what holds it. Here, a table is made when a node is
# first looked under.
FIND = re.compile(
    r"function (?P<find>\w+)\(e,t\)\{if\(e\.id===t\)return e;if\(e\.children\)for\(let n of e\.children\)"
    r"\{let e=(?P=find)\(n,t\);if\(e\)return e\}return null\}"
    r"function (?P<holder>\w+)\(e,t\)\{if\(e\.children\)for\(let n of e\.children\)"
    r"\{if\(n\.id===t\)return e;let r=(?P=holder)\(n,t\);if\(r\)return r\}return null\}"
)
FIND_BY_TABLE = (
    r"function \g<find>(e,t){return \g<find>.table(e).get(t)?.[0]??null}"
    r"function \g<holder>(e,t){return \g<find>.table(e).get(t)?.[1]??null}"
    r"\g<find>.table=e=>{let t=\g<find>.under.get(e);if(!t){t=new Map;"
    r"let n=(e,r)=>{t.has(e.id)||t.set(e.id,[e,r]);e.children&&e.children.forEach(t=>n(t,e))};"
    r"n(e,null);\g<find>.under.set(e,t)}return t};\g<find>.under=new WeakMap;"
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

# The tree as it is made, at first and when the app has changed: `root` is Svelte's, `built` is a plain field.
BUILD = re.compile(
    r"this\.root=(this\.create_node\(\{id:t\.id,children:\[\]\},new Map,!0\);.{1,250}?)"
    r"this\.root(\.children=this\.#\w+\.children\.map\(.{1,200}?\()"
    r"this\.root(,this\.initial_tabs\),this\.postprocess\()this\.root\)"
)
BUILD_PLAINLY = r"this.built=\1this.built\2this.built\3this.built)"

# What follows when the app has changed `v()` times under its developer's hands, and at first, when that is 0.
RELOAD = re.compile(r"(\w+\(\(\)=>\{v\(\)),(\w+\(\(\)=>\{(\w+)\.reload\(r\.components,r\.layout,r\.dependencies,)")
RELOAD_WHEN_CHANGED = r"\1&&\2"

# A component, `e`, of the node `r` and with the setter `a` when it is shown, is changed by `t`: what it holds by now,
# and all that is in it, is taken over first. A node or a setter that is another one has not been told yet; and `{}` is
# no news of an event, but wipes out what the component says by itself, as of a file that it does not take.
CHANGE = re.compile(
    r"(?<=let a=this\.#c\.get\(e\);)r&&!\(`value`in t\)"
    r"(?=&&\(await this\.#\w+\(e,r\),await this\.#\w+\(r\)\);let o=r\?\.props\.props\.value)"
)
CHANGE_WHEN_NEEDED = (
    r"if(r&&t.loading_status&&Object.keys(t).length===1){"
    r"let e=JSON.stringify(t.loading_status),n=(this.told??=new WeakMap).get(r);"
    r"if(n&&n[0]===a&&n[1]===e&&e!==`{}`)return;this.told.set(r,[a,e])}"
    r"else r&&!(`value`in t)"
)

# By file: what is replaced, with what, how many times it is there.
CHANGES = {
    "core-*.js": (
        (RENDER, RENDER_AND_FORGET, 1),
        (FIND, FIND_BY_TABLE, 1),
        (EVENTS, EVENTS_BY_TABLE, 1),
        (BUILD, BUILD_PLAINLY, 2),
        (CHANGE, CHANGE_WHEN_NEEDED, 1),
    ),
    "Blocks-*.js": ((RELOAD, RELOAD_WHEN_CHANGED, 1),),
}


def changed(script: str, kind: str) -> str | None:
    """A file of this kind of `CHANGES` with its pieces replaced, or None if it is not one that has them all."""
    for pattern, replacement, times in CHANGES[kind]:
        script, found = pattern.subn(replacement, script)
        if found != times:
            return None
    return script


def quicker() -> dict[str, str]:
    """The installed files that are made quicker, by name, and what is served in their place."""
    found = {}
    for kind in CHANGES:
        for path in SCRIPTS.glob(kind):
            if script := changed(path.read_text("utf-8"), kind):
                found[path.name] = script
    return found


def serve_quicker(blocks: gr.Blocks) -> None:
    """Serves the quicker script from now on; call it when the page has been launched."""
    for name, script in quicker().items():
        blocks.app.router.routes.insert(0, Route(f"/assets/{name}", _serving(script)))


def _serving(script: str) -> Callable:
    async def serve(request: Request) -> Response:
        return Response(script, media_type="text/javascript", headers={"Cache-Control": "no-cache"})

    return serve
