"""Where a text ends because of a stop string: by hand, against a second derivation, and against transformers."""

import pytest
import torch

from playground.engine import generate
from playground.engine.sampling import Sampling
from playground.engine.stops import HeldBack, first_stop, open_tail
from playground.errors import PlaygroundError
from playground.labs.chat import replies as chat
from tests import tiny


@pytest.mark.parametrize(
    ("text", "stops", "found"),
    [
        ("one\ntwo", ["\n"], (3, "\n")),
        ("abcd", ["abcd", "bc"], (1, "bc")),  # complete first, though it begins later
        ("xab", ["b", "ab"], (1, "ab")),  # complete together: the longer
        ("abab", ["ab"], (0, "ab")),
        ("abc", ["d", "ca"], None),
        ("", ["a"], None),
        ("abc", [], None),
    ],
)
def test_the_stop_string_that_is_complete_first(text, stops, found):
    assert first_stop(text, stops) == found


@pytest.mark.parametrize(
    ("text", "stops", "n"),
    [("one\n", ["\n\n"], 1), ("aab", ["aac"], 0), ("aaaa", ["aaab"], 3), ("x<|", ["<|end", "|>"], 2), ("a", ["a"], 0)],
)
def test_what_may_become_a_stop_string(text, stops, n):
    assert open_tail(text, stops) == n


@pytest.mark.parametrize("seed", range(40))
def test_however_a_text_is_cut_into_pieces_the_same_is_shown_and_nothing_is_taken_back(seed):
    random = torch.Generator().manual_seed(seed)

    def draw(n):
        return "".join("ab\n"[i] for i in torch.randint(3, (n,), generator=random).tolist())

    text, stops = draw(30), [draw(n) for n in (4, 5, 3)]
    ends = [(i + len(s), i, s) for s in stops for i in range(len(text)) if text[i : i + len(s)] == s]
    expected = text[: min(ends)[1]] if ends else text
    for _ in range(3):
        held, shown, rest = HeldBack(stops), "", text
        while rest:
            n = int(torch.randint(1, 6, (1,), generator=random))
            new, found = held.add(rest[:n])
            shown, rest = shown + new, rest[n:]
            assert expected.startswith(shown)
            if found:
                break
        assert shown + held.rest() == expected and bool(found) == bool(ends)


def written(engine, prompt, **settings):
    sampling = Sampling(max_new_tokens=30, temperature=0, **settings)
    return list(generate.stream(engine, engine.encode(prompt), sampling))


@pytest.mark.parametrize("architecture", ["gpt2", "llama", "qwen2"])
@pytest.mark.parametrize("repetition_penalty", [1.3, 1.7])
def test_greedy_text_ends_where_transformers_ends_it(architecture, repetition_penalty):
    engine = tiny.engine(architecture)
    ids = engine.encode("Paris is the capital")
    free = "".join(s.text for s in written(engine, "Paris is the capital", repetition_penalty=repetition_penalty))
    assert len(free) > 8
    tried = 0
    for at, n in ((2, 1), (4, 2), (5, 3), (3, 5)):
        stop = free[at : at + n]
        if "\ufffd" in stop:
            continue
        out = engine.model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            do_sample=False,
            max_new_tokens=30,
            repetition_penalty=repetition_penalty,
            stop_strings=[stop],
            tokenizer=engine.tokenizer,
        )
        theirs = out[0].tolist()[ids.shape[1] :]
        steps = written(engine, "Paris is the capital", repetition_penalty=repetition_penalty, stop=(stop,))
        assert [s.token.id for s in steps if s.token] == theirs
        shown = "".join(s.text for s in steps)
        assert shown == free[: free.find(stop)]
        assert steps[-1].stop_reason == "stop string" and steps[-1].stop_string == stop
        tried += 1
    assert tried


def spelled(monkeypatch, engine, text, by):
    """Makes the model write a text, in tokens of so many characters."""
    pieces = [text[i : i + by] for i in range(0, len(text), by)]
    ids = [engine.tokenizer(piece, add_special_tokens=False).input_ids for piece in pieces]
    queue = iter([token for piece in ids for token in piece])
    monkeypatch.setattr("playground.engine.generate.draw", lambda *_: next(queue))


@pytest.mark.parametrize("by", [1, 3, 4, 30])
def test_a_stop_string_over_several_tokens_or_inside_one(by, monkeypatch):
    engine = tiny.engine("llama")
    spelled(monkeypatch, engine, "The cat sat on the mat because it was", by)
    replies = list(chat.complete(engine, "x", Sampling(max_new_tokens=60, stop=["t on", "never"])))
    assert replies[-1].text == "The cat sa"
    assert replies[-1].stop_reason == "stop string" and replies[-1].stop_string == "t on"
    assert all("The cat sa".startswith(reply.text) for reply in replies)
    raw = engine.tokenizer.decode(replies[-1].ids)
    assert raw.startswith("The cat sat on"), "its tokens are among the ids"


def test_what_was_held_back_is_shown_at_the_end(monkeypatch):
    engine = tiny.engine("llama")
    spelled(monkeypatch, engine, "The cat sat", 1)
    replies = list(chat.complete(engine, "x", Sampling(max_new_tokens=11, stop=["sat on"])))
    assert replies[-1].text == "The cat sat" and replies[-1].stop_reason == "length"
    assert [reply.text for reply in replies[-3:-1]] == ["The cat ", "The cat "]
    assert replies[-1].stop_string is None


def test_a_text_that_ends_by_itself_shows_what_was_held_back(monkeypatch):
    engine = tiny.engine("llama")
    ids = iter([*engine.tokenizer("Paris.", add_special_tokens=False).input_ids, engine.tokenizer.eos_token_id])
    monkeypatch.setattr("playground.engine.generate.draw", lambda *_: next(ids))
    last = list(chat.complete(engine, "x", Sampling(stop=[".\n"])))[-1]
    assert last.text == "Paris." and last.stop_reason == "eos"


def test_only_what_is_new_can_stop_a_text(monkeypatch):
    engine = tiny.engine("llama")
    kept = engine.tokenizer("The cat sat", add_special_tokens=False).input_ids
    spelled(monkeypatch, engine, " on the mat", 2)
    replies = list(chat.resume(engine, engine.encode("x"), kept, Sampling(max_new_tokens=30, stop=["sat", " m"])))
    assert replies[-1].text == "The cat sat on the" and replies[-1].ids[: len(kept)] == tuple(kept)


@pytest.mark.parametrize("wrong", [[""], [3], 5, None, ["x"] * 17, ["x" * 201], {"a": 1}])
def test_absurd_stop_strings_are_refused(wrong):
    with pytest.raises(PlaygroundError, match=r"[Ss]top strings"):
        Sampling(stop=wrong)


def test_one_stop_string_may_come_without_a_list():
    assert Sampling(stop="\n").stop == ("\n",) and Sampling(stop=["a", "a", "b"]).stop == ("a", "b")
