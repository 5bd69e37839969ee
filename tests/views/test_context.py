"""How full a context is, in words."""

from types import SimpleNamespace

from playground.views import context


def test_the_meter_is_shown_when_it_is_worth_saying():
    assert context.meter(100, 256) == ""
    assert context.meter(10**6, None) == ""
    assert "Context 50 % full: 128 of 256 tokens" in context.meter(128, 256)
    assert 'value="1.000"' in context.meter(300, 256)


def test_what_does_not_fit_is_named_and_never_markup():
    overflow = SimpleNamespace(n_tokens=300, limit=256)
    words = context.full(overflow, ["<b>first</b>", "between", "x" * 100], "A <model>")
    assert "the oldest 3 messages, from “&lt;b&gt;first&lt;/b&gt;” to “xxx" in words
    assert "A &lt;model&gt; holds 256" in words
    assert "x" * 60 not in words
    assert "the oldest message, “a”" in context.full(overflow, ["a"], "m")
