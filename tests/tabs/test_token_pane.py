"""From a reply to the tabs that look inside a model."""

import pytest

from playground.tabs.chat.token_pane import Written


def test_nothing_is_fetched_because_a_reply_is_looked_at(laid, monkeypatch):
    """A file that was imported may name any model."""
    inspect = next(fn.fn for fn in laid.page.blocks.fns.values() if fn.name == "inspect")
    monkeypatch.setattr(laid.page.models, "lease", lambda reference: pytest.fail(f"{reference} was asked for"))
    look, shown, _ = inspect(Written("org/of-a-file", "", (("user", "Hello"),), (5, 6)), True, None, "Probability")
    assert look is None
    assert "org/of-a-file, which wrote this, is not on this machine" in shown
