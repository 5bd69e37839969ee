"""The bar that copies a link to the open tab, and opens the one that the page was called with.

Nothing is kept on the server, nothing is run by a link, and no model is loaded before the visitor has said so. What of
a tab goes into a link is declared there: `Page.forms`.
"""

import secrets
from dataclasses import dataclass, replace

import gradio as gr

from playground.assets import ASSETS
from playground.errors import PlaygroundError
from playground.labs import permalinks as lab
from playground.labs.permalinks import Link
from playground.models import reference as references
from playground.models.sources import check_allowed
from playground.tabs.forms import Form
from playground.tabs.kit import MAY_REFUSE, Page, in_words, title_of
from playground.tabs.model_bar import choices
from playground.views import permalinks as view

A_MERGE = (
    "The model in use is a merge, which exists in this page's memory alone: the link leaves it out. "
    "Copy the link of the Merge tab to pass on its recipe."
)


@dataclass(frozen=True)
class Order:
    """A link that is being opened."""

    link: Link
    model: str  # that is picked once all is filled in, so that what follows the model finds it all; "": none


@dataclass(frozen=True, eq=False)
class Bar:
    """The components, and what happens to them. Its methods are the handlers."""

    page: Page
    bar: gr.HTML
    order: gr.State  # Order, or None
    wanted: gr.State  # reference of the model that it asks for, until the visitor has agreed

    # made

    def make(self, values: dict, tab: str, pane: str, inner: str = "", with_talk: bool = False) -> dict:
        """A link to what stands in a tab. inner: the tab inside the sub-tab."""
        form = self.page.forms.find(tab, pane)
        if form is None:
            where = f"{tab}, {pane}" if pane else tab
            return {self.bar: view.refused(f"There is no link to this part of the page ({where}).")}
        try:
            model, revision, told = self._model(values[self.page.reference] or "")
            fields, about = form.read(values, with_talk)
            word = lab.write(Link(form.tab, form.pane or pane, model, revision, fields, inner))
        except Exception as error:
            return {self.bar: view.refused(in_words(error))}
        return {self.bar: view.copied(word, told + about, form.talks and not with_talk)}

    def _model(self, picked: str) -> tuple[str, str, list[str]]:
        """Reference, revision of the weights in memory, and what is to be said about it."""
        try:
            if references.parse(picked).kind == "merge":
                return "", "", [A_MERGE]
            return picked, self._revision(picked), []
        except PlaygroundError as error:
            return "", "", [f"The link leaves the model out. {error}"]

    def _revision(self, picked: str) -> str:
        if self.page.models.status(picked).state != "ready":
            return ""
        with self.page.models.lease(picked) as engine:
            return engine.revision

    # opened

    def open(self, word: str, picked: str | None) -> dict:
        """Reads a link: its tab, and its model if that needs no loading."""
        try:
            link = lab.read(word)
            form = self.page.forms.find(link.tab, link.pane)
            if form is None:
                raise PlaygroundError("This link is to a part of the page that this page does not have.")
        except PlaygroundError as error:
            return {self.bar: view.refused(str(error)), self.order: None}
        reference, ask, told = self._wanted(link, picked or "")
        what = f"{form.tab}, {form.pane}" if form.pane else form.tab
        told += form.fill(link.fields)[1]
        told += [f"The link has a value “{name[:40]}”, which is not known here." for name in self._unknown(form, link)]
        shown = view.filled_in(what, told)
        if ask:
            shown = view.asking(what, title_of(reference), reference, told)
        use = reference if reference and not ask else ""
        return {
            self.bar: shown,
            self.order: Order(link, use if use != picked else ""),
            self.wanted: reference if ask else "",
            self.page.tabs: gr.update(selected=form.tab),
        }

    def _picked(self, reference: str) -> dict:
        return gr.update(choices=choices(self.page.settings, reference), value=reference)

    @staticmethod
    def _unknown(form: Form, link: Link) -> list[str]:
        return [] if form.more else [name for name in link.fields if name not in form.boxes][:3]

    def _wanted(self, link: Link, picked: str) -> tuple[str, bool, list[str]]:
        """The model that a link is about, whether it has to be asked for, and what is to be said about it."""
        if not link.model:
            return "", False, []
        try:
            parsed = references.parse(link.model)
            if parsed.kind != "endpoint":
                check_allowed(parsed, self.page.settings)
        except PlaygroundError as error:
            return "", False, [f"The link's model is not used. {error}"]
        held = self._revision(str(parsed))
        if link.revision and held and held != link.revision:
            told = f"The link was made with revision {link.revision[:12]} of this model; in memory is {held[:12]}."
            if parsed.kind != "hub" or parsed.revision:
                return str(parsed), False, [told]
        if (held and held == link.revision) or (held and not link.revision):
            return str(parsed), False, []
        if parsed.kind == "hub" and link.revision and not parsed.revision:
            parsed = self._pinned(parsed, link.revision)
        state = self.page.models.status(str(parsed)).state
        return str(parsed), state not in ("ready", "remote"), []

    @staticmethod
    def _pinned(parsed: references.Reference, revision: str) -> references.Reference:
        """The same model at a revision, if that is one of the hub's."""
        try:
            return references.parse(str(replace(parsed, revision=revision.partition("+")[0])))
        except PlaygroundError:
            return parsed

    def fill(self, order: Order | None) -> dict:
        """Puts a link's values into its tab, and picks its model."""
        if order is None:
            return {self.order: None}
        link, form = order.link, self.page.forms.find(order.link.tab, order.link.pane)
        updates, _ = form.fill(link.fields)
        if order.model:
            updates[self.page.reference] = self._picked(order.model)
        return updates | self.page.forms.opens(form, link.pane, link.inner) | {self.order: None}

    def agree(self, wanted: str) -> dict:
        """The visitor wants the link's model."""
        if not wanted:
            return {self.bar: view.bar()}
        return {
            self.bar: view.bar(),
            self.wanted: "",
            self.page.reference: self._picked(wanted),
            self.page.load_now: secrets.token_hex(4),
        }


def build() -> gr.HTML:
    """Lays out the bar, above the tabs; `connect` does the rest once they stand."""
    return gr.HTML(view.bar(), js_on_load=(ASSETS / "permalink.js").read_text("utf-8"), elem_id="permalink")


def connect(page: Page, place: gr.HTML) -> Bar:
    """Connects the bar with all forms of the page."""
    bar = Bar(page, place, gr.State(), gr.State(""))
    inputs = {page.reference}.union(*(form.inputs for form in page.forms))
    outputs = [
        bar.order,
        page.reference,
        *dict.fromkeys(c for form in page.forms for c in form.outputs),
        *page.forms.rows,
    ]

    def make(values: dict, event: gr.EventData) -> dict:
        return bar.make(values, str(event.tab), str(event.pane), str(event.inner), bool(event.talk))

    def open_link(picked: str | None, event: gr.EventData) -> dict:
        return bar.open(event.word, picked)

    place.wanted(make, inputs, place, **MAY_REFUSE)
    opening = [place, bar.order, bar.wanted, page.tabs]
    opened = place.opened(open_link, page.reference, opening, **MAY_REFUSE)
    filled = opened.success(bar.fill, bar.order, outputs, **MAY_REFUSE)
    for form in page.forms:
        if form.then is not None:
            form.then(filled)
    place.agreed(bar.agree, bar.wanted, [place, bar.wanted, page.reference, page.load_now], **MAY_REFUSE)
    return bar
