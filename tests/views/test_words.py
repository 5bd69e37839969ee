"""Which tokens a word stands for, as HTML."""

from playground.engine.words import FirstToken
from playground.views import words


def test_tokens_are_listed_and_escaped():
    html = words.meant([("<b>", -100, [FirstToken(7, " <b", 2)]), ("Paris", 2.5, [FirstToken(9, "Paris", 1)])])
    assert "<code>·&lt;b</code> 7 (1 of 2)" in html and "never" in html
    assert "<b>Paris</b> +2.5: <code>Paris</code> 9</li>" in html
    assert "<b><b>" not in html and words.FIRST_ONLY in html


def test_whole_words_need_no_warning():
    html = words.meant([("Paris", 100, [FirstToken(9, "Paris", 1)])])
    assert words.FIRST_ONLY not in html and "only this" in html
