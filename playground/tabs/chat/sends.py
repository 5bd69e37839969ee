"""What the Chat tab sends to other tabs: a reply, a message, a token, a conversation, or the text that was continued.

It does not know what becomes of them there.
"""

from dataclasses import replace

import gradio as gr

from playground.errors import PlaygroundError
from playground.tabs import sending
from playground.tabs.chat.token_pane import Written
from playground.tabs.kit import Page, Parcel

REPLY, MESSAGE, ALL, TEXT = "the last reply", "the message before it", "the whole conversation", "the text"
BEFORE = "all that stands before the token looked at"
OFFERED = {
    ALL: sending.WITH_SPECIAL_TOKENS,
    REPLY: sending.elsewhere(sending.A_TEXT, sending.CHAT),
    MESSAGE: sending.elsewhere(sending.A_PROMPT, sending.CHAT, sending.PATCHING),
}


def of_conversation(page: Page, written: gr.State) -> gr.HTML | None:
    """A row for what was said last."""

    def pack(values: dict, what: str, visitor: str) -> Parcel:
        latest = values[written]
        if latest is None:
            raise PlaygroundError("There is no reply of a model yet. Send a message first.")
        return parcel(page, latest, what)

    return sending.row(page, "chat-send-to", OFFERED, {written}, pack, reads_model=True)


def of_token(page: Page, written: gr.State, picked: gr.State) -> gr.HTML | None:
    """A row for the place where a token of the last reply was chosen."""

    def pack(values: dict, what: str, visitor: str) -> Parcel:
        latest, at = values[picked] or (None, 0)
        if latest is None or latest != values[written]:
            raise PlaygroundError("No token of the last reply is looked at. Click one first.")
        before = parcel(page, replace(latest, ids=latest.ids[:at]), ALL)
        with page.models.lease(latest.reference) as engine:
            token = engine.tokenizer.decode([latest.ids[at]])
        begins = (
            token[:1].isspace() or before.text[-1:].isspace()
        )  # else another token would be taken, that begins a word
        return replace(before, follow=token.strip() if begins else "")

    return sending.row(
        page, "token-send-to", {BEFORE: sending.WITH_SPECIAL_TOKENS}, {written, picked}, pack, reads_model=True
    )


def of_completion(page: Page, text: gr.Textbox) -> gr.HTML | None:
    """A row for the text that is continued."""

    def pack(values: dict, what: str, visitor: str) -> Parcel:
        if not (values[text] or "").strip():
            raise PlaygroundError("There is no text to send. Type some first.")
        return Parcel(values[text])

    return sending.row(page, "text-send-to", {TEXT: sending.elsewhere(sending.A_PROMPT, sending.CHAT)}, {text}, pack)


def parcel(page: Page, latest: Written, what: str) -> Parcel:
    """What is sent of a reply.

    Raises:
        PlaygroundError: its text is not known here.
    """
    reference = latest.reference
    text = _text(page, latest, what)
    if not text.strip():
        raise PlaygroundError(f"The text of {what} is not known here. Send something else.")
    if what != ALL:
        return Parcel(text.strip(), reference, system=latest.system, message=what == MESSAGE)
    return Parcel(text, reference, complete=True, system=latest.system)


def _text(page: Page, latest: Written, what: str) -> str:
    if what == MESSAGE:
        return latest.asked[-1][1]
    if latest.reference.startswith("endpoint:"):
        if what == ALL:
            raise PlaygroundError("This model runs elsewhere: nothing of its inside can be seen from here.")
        return "".join(token.text for token in latest.remote)
    with page.models.lease(latest.reference) as engine:
        from playground.labs import tokens  # imports torch

        if what == ALL:
            return tokens.whole_text(engine, latest.messages, latest.system, latest.ids)
        return tokens.text_of(engine, latest.ids)
