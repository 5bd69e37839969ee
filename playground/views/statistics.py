"""What stands under a reply: how much, how fast, why it ended, and what makes it again. As plain text.

It does not know how a reply was made, nor where the line is shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the lab imports torch, which a page that is being laid out must not wait for
    from playground.labs.chat.replies import Reply

REASONS = {
    "eos": "ended by itself",
    "length": "cut at the token limit",
    "stopped": "stopped by you",
    "cut": "cut off by a failure",
    "reloaded": "stopped: the page was reloaded",
}


def line(reply: Reply, title: str) -> str:
    """Statistics of a reply, running or ended, by the model that people know as `title`."""
    if reply.new_tokens == 0 and reply.stop_reason is None:
        return f"Reading {reply.prompt_tokens} tokens …" if reply.prompt_tokens else f"Waiting for {title} …"
    facts = [f"{reply.new_tokens} token{'' if reply.new_tokens == 1 else 's'}"]
    if reply.seconds_to_first_token is not None:
        facts.append(f"first after {reply.seconds_to_first_token:.2f} s")
    if reply.tokens_per_second is not None:
        facts.append(f"{reply.tokens_per_second:.1f} tokens/s")
    used = reply.provenance.settings
    n_beams = used.get("beams", 1)
    if reply.stop_reason is not None:
        facts.append(_reason(reply))
        chosen = "greedy" if used.get("temperature") == 0 else f"seed {used.get('seed')}"
        facts.append(f"best of {n_beams} beams" if n_beams > 1 else chosen)
    elif n_beams > 1:
        facts.append(f"best of {n_beams} beams so far: it may still change")
    return " · ".join([*facts, title, *reply.notes])


def _reason(reply: Reply) -> str:
    if reply.stop_string is not None:
        return f"ended at the stop string {reply.stop_string!r}"
    assert reply.stop_reason is not None  # it has ended
    return REASONS.get(reply.stop_reason, reply.stop_reason)
