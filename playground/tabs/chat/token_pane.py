"""The last reply as tokens: look at one, see what else could have stood there, and go on from that instead.

It does not know how a reply is written anew: the conversation pane does that.
"""

from dataclasses import dataclass

import gradio as gr

from playground.models.remote import RemoteToken
from playground.tabs.kit import AT_ONCE, Page, title_of, user_errors
from playground.views import continuations as notes
from playground.views import remote_tokens as remote_view
from playground.views import tokens as token_view

COLOURS = {"Probability": "probability", "Entropy": "entropy"}
GIVEN = "What the model was given"
GIVEN_ELSEWHERE = "This model runs elsewhere: its server alone knows which tokens it was given."
NO_ENTROPY = (
    "This model runs elsewhere: its server tells of a few tokens only, and entropy needs all. Pick Probability."
)
NO_TOKENS = "This model runs elsewhere, and its server gives no probabilities of tokens: there is nothing to show here."
GONE = "{}, which wrote this, is not on this machine. Pick it above and press Load, then open this again."
EMPTY = "Send a message first; then the reply stands here, token by token."
# One listener on the place itself: what is inside is replaced again and again.
CLICKS = """
element.addEventListener('click', (event) => {
  const button = event.target.closest('button[data-at]');
  if (!button) return;
  const instead = button.dataset.instead;
  trigger('select', {index: Number(button.dataset.at), value: instead === undefined ? null : Number(instead)});
});
"""


@dataclass(frozen=True)
class Written:
    """What made a reply, so that it can be looked at and gone on from. Hashable: Gradio asks whether it has changed."""

    reference: str
    system: str
    asked: tuple[tuple[str, str], ...]  # role and content of each message, the last one being the user's
    ids: tuple[int, ...]  # the reply's tokens; none of a model that runs elsewhere
    remote: tuple[RemoteToken, ...] = ()  # of such a model, where its server gives their probabilities

    @property
    def messages(self) -> list[dict[str, str]]:
        """The messages for a lab."""
        return [{"role": role, "content": content} for role, content in self.asked]


@dataclass(frozen=True)
class Branch:
    """Where a reply is to be cut and what is put there."""

    written: Written
    at: int
    instead: int


@dataclass(frozen=True, eq=False)
class Look:
    """The reply as it was last inspected, and the prompt as tokens."""

    written: Written
    inspection: object  # labs.tokens.Inspection; None of a model that runs elsewhere
    given: str  # HTML


@dataclass(frozen=True)
class TokenPane:
    detail: gr.HTML  # its `select` asks for a branch
    look: gr.State  # the `Look` that the branch starts from
    picked: gr.State  # (Written, number of its token that is looked at); None: none is
    sending_place: gr.Column


def branch_at(look: Look | None, event: gr.SelectData) -> Branch | None:
    """The branch that a click in the detail asks for."""
    return None if look is None or event.value is None else Branch(look.written, event.index, int(event.value))


def build(page: Page, written: gr.State) -> TokenPane:
    """Lays out the pane, which follows `written`."""
    look, is_open, picked = gr.State(), gr.State(False), gr.State()
    with gr.Accordion("Tokens of the last reply", open=False, elem_id="token-pane") as accordion:
        show = gr.Radio([*COLOURS, GIVEN], value="Probability", label="Show", container=False, elem_id="token-show")
        place = gr.HTML(notes.note(EMPTY), elem_id="tokens", js_on_load=CLICKS)
        detail = gr.HTML(elem_id="token-detail", js_on_load=CLICKS)
        sending_place = gr.Column(min_width=0)

    def inspect(latest: Written | None, opened: bool, last: Look | None, chosen: str) -> list:
        if not opened:
            return [gr.skip()] * 3
        if latest is not None and latest.reference.startswith("endpoint:"):
            last = Look(latest, None, notes.note(GIVEN_ELSEWHERE))
            return [last, draw(last, chosen), ""]
        if latest is None or not latest.ids:
            return [None, notes.note(EMPTY), ""]
        if last is not None and last.written == latest:
            return [gr.skip(), draw(last, chosen), gr.skip()]
        if page.models.status(latest.reference).state == "absent":  # nothing is fetched because something is opened
            return [None, notes.note(GONE.format(title_of(latest.reference))), ""]
        with user_errors(), page.models.lease(latest.reference) as engine:
            from playground.labs import tokens
            from playground.labs.chat import replies as chat

            prompt = chat.prompt_ids(engine, latest.messages, latest.system)
            inspection = tokens.inspect(engine, prompt, latest.ids)
            given = token_view.given(tokens.seen_by(engine, prompt), len(latest.ids), engine.anatomy.context_length)
        last = Look(latest, inspection, given)
        return [last, draw(last, chosen), ""]

    def draw(last: Look, chosen: str, at: int | None = None) -> str:
        if chosen == GIVEN:
            return last.given
        if last.inspection is None:
            return elsewhere(last.written, chosen, at)
        return token_view.written(last.inspection, COLOURS[chosen], at)

    def elsewhere(written: Written, chosen: str, at: int | None) -> str:
        if not written.remote:
            return notes.note(NO_TOKENS)
        return notes.note(NO_ENTROPY) if chosen == "Entropy" else remote_view.written(written.remote, at)

    def redraw(last: Look | None, chosen: str):
        return gr.skip() if last is None else draw(last, chosen)

    def pick(last: Look | None, chosen: str, event: gr.SelectData) -> list:
        if last is None:
            return [gr.skip()] * 3
        drawn, at = draw(last, chosen, event.index), (last.written, event.index)
        if last.inspection is None:
            return [drawn, remote_view.alternatives(last.written.remote, event.index), at]
        return [drawn, token_view.alternatives(last.inspection, event.index), at]

    arguments = [[written, is_open, look, show], [look, place, detail]]
    written.change(inspect, *arguments, **page.queued)
    accordion.expand(lambda: True, None, is_open, **AT_ONCE).then(inspect, *arguments, **page.queued)
    accordion.collapse(lambda: False, None, is_open, **AT_ONCE)
    show.change(redraw, [look, show], place, **AT_ONCE)
    place.select(pick, [look, show], [place, detail, picked], **AT_ONCE)
    return TokenPane(detail, look, picked, sending_place)
