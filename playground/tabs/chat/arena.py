"""The arena of the Chat tab: one message, two models, both replies side by side, and blind votes on them.

It does not know how replies are written or what votes tell: `labs/chat/` does.
"""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import gradio as gr

from playground.errors import PlaygroundError
from playground.labs.chat import votes as ballots
from playground.labs.chat.votes import Choice, Vote
from playground.tabs.chat import arena_turn
from playground.tabs.chat.arena_sides import Example, Side
from playground.tabs.chat.arena_turn import Failure, Turn, Turns
from playground.tabs.chat.asking import Asking
from playground.tabs.chat.runs import Run, Runs
from playground.tabs.chat.sampling import whole_number
from playground.tabs.chat.together import together
from playground.tabs.kit import MAY_REFUSE, Page, arriving, in_words, title_of, user_errors
from playground.views import votes as votes_view
from playground.views.continuations import note

if TYPE_CHECKING:  # the page must not wait for torch
    from playground.engine.sampling import Sampling
    from playground.labs.chat.replies import Reply

HIDDEN = "Which of the two is A comes to light when you vote: reply 1 and reply 2 change places by chance."


@dataclass(frozen=True)
class Arena(Asking):
    """The pane and what happens in it. Its methods are the handlers: components in, updates out."""

    page: Page
    runs: Runs
    sides: tuple[Side, Side]
    blind: gr.Checkbox
    look: gr.HTML  # what to look at, or what is hidden
    names: tuple[gr.HTML, gr.HTML]  # over each place: whose reply it is, as far as that may be told
    places: tuple[gr.Chatbot, gr.Chatbot]
    verdict: gr.HTML  # how the two compare
    ballot: gr.Row
    message: gr.Textbox
    seed: gr.Textbox  # one for both
    send: gr.Button
    stop: gr.Button
    clear: gr.Button
    turns: gr.State  # Turns
    kept: gr.BrowserState  # the visitor's votes, as `labs.votes.plain`
    score: gr.HTML
    followed: gr.State  # the model of the page that sides follow to another one

    def show(self, turns: Turns, running: bool = False) -> dict:
        """The whole pane for a conversation. Of a turn that is secret, only what both have in common."""
        names = {name: arena_turn.name(turns, n) for n, name in enumerate(self.names)}
        return (
            names
            | self.stream(turns)
            | {
                self.verdict: note(arena_turn.verdict(turns)),
                self.ballot: gr.update(visible=bool(turns) and turns[-1].votable),
                self.send: gr.update(interactive=not running),
                self.stop: gr.update(interactive=running),
                self.clear: gr.update(interactive=bool(turns) and not running),
            }
        )

    def stream(self, turns: Turns) -> dict:
        """What changes while replies come."""
        return {place: arena_turn.messages(turns, n) for n, place in enumerate(self.places)}

    def begin(self, text: str, blind: bool, turns: Turns, request: gr.Request) -> dict:
        with user_errors():
            if not text.strip():
                raise PlaygroundError("The message is empty. Type one, then send it.")
            places = secrets.choice(((0, 1), (1, 0))) if blind else (0, 1)
            turn = Turn(text, blind, places)
            self.runs.begin(request, turn, turns, text)
            return self.show((*turns, turn), running=True) | {self.message: ""}

    def work(self, run: Run, values: dict) -> Iterator[dict]:
        seed = whole_number(values[self.seed])
        read = [side.read(values, seed) for side in self.sides]
        run.asked = replace(run.asked, contestants=tuple(contestant for contestant, _ in read))
        yield from self._both(run, [settings for _, settings in read])

    def _both(self, run: Run, settings: Sequence["Sampling"]) -> Iterator[dict]:
        before: Turns = run.before
        turn: Turn = run.asked
        models = {side: arriving(self.page.models, turn.contestants[side].reference, run.stop) for side in (0, 1)}
        with closing(together({side: _or_failure(news) for side, news in models.items()})) as arrivals:
            for latest in arrivals:
                turn = turn.told(latest)
                yield self.stream((*before, turn))
        if not run.start():
            return
        here = [side for side in (0, 1) if not isinstance(turn.spoken[side], Failure)]
        replies = {side: _or_failure(self._write(run, turn, side, settings[side])) for side in here}
        with closing(together(replies)) as written:
            for latest in written:
                turn = turn.told(latest)
                yield self.stream((*before, turn))
        if all(isinstance(one, Failure) for one in turn.spoken):
            raise PlaygroundError(" ".join(dict.fromkeys(one.sentence for one in turn.spoken)))
        run.fruitful = turn.fruitful
        if run.fruitful:
            turns = (*before, turn.done())
            yield self.show(turns) | {self.turns: turns}

    def _write(self, run: Run, turn: Turn, side: int, settings: "Sampling") -> Iterator["Reply"]:
        from playground.labs.chat import writing

        who = turn.contestants[side]
        messages = [message for earlier in run.before for message in earlier.messages(side)]
        asked = [*messages, {"role": "user", "content": turn.text}]
        with self.page.models.writer(who.reference) as writer:
            yield from writing.reply_or_continue(writer, asked, settings, who.system, run.stop)

    def before(self, run: Run) -> dict:
        return self.show(run.before)

    def vote(self, place: int | Choice, turns: Turns, kept: list, request: gr.Request) -> dict:
        """Counts a vote for the reply in a place, or for neither, once; and tells whose replies they were."""
        with user_errors():
            self.runs.expect_idle(request)
            if not turns or not turns[-1].votable or not turns[-1].ballot.acquire(blocking=False):
                raise PlaygroundError("There is no pair of replies to vote on. Send a message in blind mode first.")
            last = turns[-1]
            choice = ballots.CHOICES[last.places[place]] if isinstance(place, int) else place
            a, b = last.contestants
            now = datetime.now(UTC).isoformat(timespec="seconds")
            first = ballots.CHOICES[last.places[0]]
            cast = Vote(a, b, choice, first, last.text, len(turns), (last.seed(0), last.seed(1)), now)
            turns = (*turns[:-1], replace(last, choice=choice))
            kept = [*map(ballots.plain, ballots.read(kept)), ballots.plain(cast)]
            return self.show(turns) | {self.turns: turns, self.kept: kept} | self.draw(kept)

    def draw(self, kept: object) -> dict:
        """The score of the votes that a browser has kept."""
        return {self.score: votes_view.html(ballots.read(kept), title_of)}

    def explain(self, blind: bool) -> str:
        return note(HIDDEN) if blind else ""

    def fill(self, example: Example, picked: str | None, request: gr.Request) -> dict:
        """Makes the pane what an example asks for, in a new conversation."""
        with user_errors():
            self.runs.expect_idle(request)
            a, b = self.sides
            settings = a.set(picked or "", example.a) | b.set(picked or "", example.b)
            shown = self.show(()) | {self.turns: (), self.message: example.text, self.seed: "", self.blind: False}
            return settings | shown | {self.look: note(example.look)}

    @property
    def inputs(self) -> set[gr.components.Component]:
        return {self.seed} | self.sides[0].all | self.sides[1].all

    @property
    def screen(self) -> list[gr.components.Component]:
        parts = [
            *self.names,
            *self.places,
            self.verdict,
            self.ballot,
            self.message,
            self.send,
            self.stop,
            self.clear,
            self.turns,
        ]
        return [*parts, self.kept, self.score]

    @property
    def filled(self) -> list[gr.components.Component]:
        """What `fill` changes."""
        return [*self.screen, *self.sides[0].all, *self.sides[1].all, self.seed, self.blind, self.look]

    def send_after(self, event: gr.events.Dependency) -> None:
        """Sends what is in the box once `event` has succeeded."""
        inputs = [self.message, self.blind, self.turns]
        self.answer_after(event.success(self.begin, inputs, self.screen, **MAY_REFUSE))

    def start_with(self, button: gr.Button, example: Example, also: dict | None = None) -> None:
        """Makes a button fill in an example, with updates of other components, and send it."""
        also = also or {}

        def fill(picked: str | None, request: gr.Request) -> dict:
            return self.fill(example, picked, request) | also

        self.send_after(button.click(fill, self.page.reference, [*self.filled, *also], **MAY_REFUSE))


def _or_failure(stream: Iterator[Any]) -> Iterator[Any]:
    """The stream; what goes wrong in it becomes its last item, so that the other side's goes on.

    Of a reply that is what had come of it, with a note why it ends there.
    """
    last = None
    with closing(stream):
        try:
            for last in stream:
                yield last
        except Exception as error:
            words = in_words(error)
            if getattr(last, "text", ""):
                yield replace(last, stop_reason="cut", notes=(*last.notes, words))
            else:
                yield Failure(words)
