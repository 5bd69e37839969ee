"""The state of a model as HTML: everything is said, and nothing from outside is markup."""

from html.parser import HTMLParser

from playground.engine.engine import Check
from playground.models.status import Holding, Ledger, Status
from playground.views import ledger, status

EVIL = "<img src=x onerror=alert(1)>\"'&"


class Tags(HTMLParser):
    """The tags of a document, and its text."""

    def __init__(self, document: str):
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(document)

    def handle_starttag(self, tag, attributes):
        assert not [name for name, _ in attributes if name.startswith("on")]
        self.tags.append(tag)
        if tag not in ("progress", "meter", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in ("progress", "meter"):
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_a_ready_model_shows_size_place_precision_and_checks():
    checks = (Check("Rows sum to 1", True, "1e-7"), Check("Attention maps", None, "a state-space model has none"))
    read = Tags(status.html(Status("a/b", "ready", "Loaded", None, 269_060_552, "cpu", "bfloat16", checks)))
    for words in ("ready", "269 MB in memory", "cpu", "bf16", "1 self-checks passed", "does not apply", "state-space"):
        assert words in read.text
    assert read.open == []
    assert "progress" not in read.tags


def test_a_failed_check_is_not_hidden_among_passed_ones():
    checks = (Check("One", True, ""), Check("Two", False, "off by 3"))
    document = status.html(Status("a/b", "ready", "Loaded", checks=checks))
    assert "1 of 2 self-checks failed" in document
    assert "off by 3" in document


def test_fetching_shows_how_far_it_is_to_eyes_and_ears():
    document = status.html(Status("a/b", "fetching", "Fetching the weights", 0.4))
    assert "40\N{NO-BREAK SPACE}%" in document
    assert '<progress max="1" value="0.400" aria-label="Progress of fetching">' in document
    assert "value=" not in status.html(Status("a/b", "loading", "Reading the weights"))


def test_a_sentence_on_the_way():
    assert status.sentence(Status("a/b", "fetching", "Fetching the weights.", 0.4)) == (
        "Fetching the weights, 40\N{NO-BREAK SPACE}% …"
    )


def test_nothing_from_outside_becomes_markup():
    plain = Tags(status.html(Status("r", "failed", "d", None, 1, "c", "t", (Check("n", True, "e"),)), "about"))
    evil = Tags(status.html(Status(EVIL, "failed", EVIL, None, 1, EVIL, EVIL, (Check(EVIL, True, EVIL),)), EVIL))
    assert evil.tags == plain.tags
    held = (Holding(EVIL, 5, EVIL, EVIL, 0, 1.0),)
    read = Tags(ledger.html(Ledger(10, 5, EVIL, held), lambda reference: reference))
    assert "img" not in read.tags
    assert EVIL in read.text


def test_the_ledger_names_every_model_and_the_budget():
    held = (
        Holding("a/b", 269_060_552, "cpu", "bfloat16", 2, 0.0),
        Holding("c/d", 45_000_000, "cpu", "float32", 0, 130.0),
    )
    read = Tags(ledger.html(Ledger(6_000_000_000, 314_060_552, "cpu", held), {"a/b": "First", "c/d": "Second"}.get))
    for words in ("314 MB of the 6.0 GB", "First", "269 MB", "bf16", "2", "now", "Second", "nobody", "2 min ago"):
        assert words in read.text
    assert read.open == []


def test_an_empty_ledger_says_so():
    document = ledger.html(Ledger(0, 0, None, ()), str)
    assert "No model is in memory" in document
    assert "None" not in document
