"""What is said in a chat is shown as it was said, and comes back as it was."""

import pytest
from markdown_it import MarkdownIt

from playground.views.messages import WORD_JOINER, literal, original, shown

TEXTS = [
    "plain",
    "Use <b>bold</b> and <!-- this --> and </div>",
    "<think>hm</think> yes",
    "a < b and c > d",
    "Inline `<b>` and ``x ` <i>`` then <i>",
    "```html\n<b>code</b>\n```\nafter <b>",
    "```html\n<b>still open",
    "~~~\n<b>\n~~~ <b>",
    "```a``` <b>",
    "1. list\n   ```\n   <b>\n   ```\n   <b>",
    "one ` tick and <b>",
    "你好 🙂 <é>",
    "",
]


@pytest.mark.parametrize("text", TEXTS)
def test_there_and_back(text):
    assert original(shown(text)) == text


@pytest.mark.parametrize("text", TEXTS)
def test_no_tag_is_left_and_code_is_untouched(text):
    markdown = MarkdownIt()  # an independent reader of Markdown; html on, as in the chat component
    tokens = markdown.parse(shown(text))
    flat = [*tokens, *(child for token in tokens for child in token.children or [])]
    assert not [token for token in flat if token.type in ("html_block", "html_inline")]
    for token in flat:
        if token.type in ("code_inline", "fence"):
            assert WORD_JOINER not in token.content


@pytest.mark.parametrize("text", ["my_model_v2 *new* [x](y) `z` <b> a|b $x$ &amp; 1~2", "org/name@rev"])
def test_literal_text_survives_markdown(text):
    inline = MarkdownIt("commonmark").parse(literal(text))[1]
    assert "".join(child.content for child in inline.children) == text
    assert {child.type for child in inline.children} <= {"text", "text_special"}
