"""What is said in a chat is shown as it was said, and comes back as it was."""

import random

import pytest
from markdown_it import MarkdownIt

from playground.views.messages import literal, original, shown

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
    "![a](http://127.0.0.1/x.png) and ![b][1]\n\n[1]: http://127.0.0.1/y.png",
    "a ` tick\n\n<b>bold</b>\n\nanother ` tick",
    "`a\nb` <i> `c`",
    "\\`<b>`",
    "a | b\n--|--\n`x | <b> | y`",
    "    ```\n<b>x</b>",
    "```\n    ```\n```\n<b>",
    "- x\n  ```\n  y\n<b>",
    "1. a\n     ```\n     x\n   ```\n   <b>",
    "http://a.bc/`<b>`",
]
PIECES = ["`", "``", "```", "~~~", "\n", "\n", "\n\n", "<b>", "</p>", "![a](x)", "x", " ", "   ", "    ", "\t"]
PIECES += ["- ", "1. ", "> ", "# ", "|", "\n--|--\n", "\\", "[", "](y)", "*", "http://a.bc/"]


def interpreted(text: str) -> list[str]:
    """What an independent reader of Markdown, with HTML and tables as in the chat component, takes for more than text.

    Pictures and tags, in the order in which they come.
    """
    tokens = MarkdownIt().enable(["table", "strikethrough"]).parse(text)
    flat = [*tokens, *(child for token in tokens for child in token.children or [])]
    return [token.type for token in flat if token.type in ("html_block", "html_inline", "image")]


def test_no_tag_or_picture_is_left_in_any_text():
    dice = random.Random(0)
    some = 0
    for _ in range(4000):
        text = "".join(dice.choices(PIECES, k=dice.randint(2, 25)))
        assert interpreted(shown(text)) == [], repr(text)
        assert original(shown(text)) == text
        some += bool(interpreted(text))
    assert some > 1000, "the texts had nothing to interpret"


@pytest.mark.parametrize("text", TEXTS)
def test_there_and_back(text):
    assert original(shown(text)) == text


@pytest.mark.parametrize("text", TEXTS)
def test_no_tag_is_left(text):
    assert interpreted(shown(text)) == []


@pytest.mark.parametrize("text", ["my_model_v2 *new* [x](y) `z` <b> a|b $x$ &amp; 1~2", "org/name@rev"])
def test_literal_text_survives_markdown(text):
    inline = MarkdownIt("commonmark").parse(literal(text))[1]
    assert "".join(child.content for child in inline.children) == text
    assert {child.type for child in inline.children} <= {"text", "text_special"}


@pytest.mark.parametrize(
    "text",
    [
        "```html\n<b>code</b>\n```\nafter",
        "Inline `<b>` and ``x ` <i>`` then",
        "Steps:\n\n1. a\n   ```html\n   <b>\n\n   ![x](y)\n   ```\n2. `<i>`",
        "- a\n\n~~~\n<b>still open",
    ],
)
def test_code_is_untouched(text):
    assert shown(text) == text
