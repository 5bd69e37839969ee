"""Results as files and back, tables of one's own, prompts as Python."""

import ast
import csv
import io
import json
from dataclasses import replace

import pytest
import transformers

from playground.errors import PlaygroundError
from playground.labs.prompting import replay, results, tables
from playground.labs.prompting.prompts import Example, Prompt
from playground.labs.prompting.results import Cell, Results, Variant
from playground.labs.prompting.scorers import Judged, Scorer
from tests import tiny

ROWS = ({"text": "=1+1", "label": "a"}, {"text": "two", "label": "b"}, {"text": "three", "label": "a"})
FEW = Prompt("few", "Say.", (Example("q", "r", "a"),), style="few-shot")


def right(parsed: str) -> Judged:
    return Judged("correct", parsed)


def found() -> Results:
    wrong, none = Judged("wrong", "b", "It is not a."), Judged("unparseable", why="Nothing was written.")
    return Results(
        ROWS,
        (Variant("few", FEW, "m", 0.0), Variant("zero", Prompt("zero"), "m", 0.0)),
        (
            (Cell(("a",), (right("a"),), 10, 2), Cell(("a", "b"), (right("b"), wrong), 10, 4), Cell(error="Row 3 …")),
            (Cell(("b",), (wrong,), 4, 2, (0.25, 0.75)), Cell(("",), (none,), 4, 0), None),
        ),
        Scorer("written", choices=("a", "b")),
        {"samples": 1, "max_new_tokens": 4, "seed": 0},
        ({"reference": "m"},),
        ((0.5, 0.5), ()),
    )


def test_results_come_back_whole():
    for there in (found(), replace(found(), scorer=None)):
        assert results.read(json.loads(json.dumps(results.plain(there)))) == there


@pytest.mark.parametrize("data", [None, [], {}, {"version": 2}, {"version": 1, "rows": 3}, "x"])
def test_what_is_no_result_says_so(data):
    with pytest.raises(PlaygroundError):
        results.read(data)
    broken = results.plain(found()) | {"cells": [[None]]}
    with pytest.raises(PlaygroundError, match="no results"):
        results.read(broken)


def test_what_they_tell():
    here = found()
    assert here.outcomes(0) == ["correct", "correct", None]
    assert here.outcomes(1) == ["wrong", "unparseable", None]
    assert here.accuracy(0).share == 1
    assert here.accuracy(1).unparseable == 1
    assert here.disagreements(0, 1) == [0, 1]
    assert here.tokens(0) == 13
    assert here.done(1) == 2


def test_files_have_a_line_a_cell_that_was_run():
    table = list(csv.DictReader(io.StringIO(results.as_csv(found()))))
    assert [line["outcome"] for line in table] == ["correct", "correct", "failed", "wrong", "unparseable"]
    assert table[0]["column text"] == "'=1+1"  # a spreadsheet would reckon it
    assert json.loads(table[1]["outputs"]) == ["a", "b"]
    listed = [json.loads(line) for line in results.as_jsonl(found()).splitlines()]
    assert listed[0]["column text"] == "=1+1"
    assert listed[3]["probabilities"] == [0.25, 0.75]


# tables


def test_tables_come_as_csv_and_jsonl():
    assert tables.read("x.csv", b"text\none\ntwo\n") == ({"text": "one"}, {"text": "two"})
    assert tables.read("x.csv", b"text;label\n\xe4;b\n") == ({"text": "ä", "label": "b"},)
    lines = b'{"text": "a", "n": 3}\n\n{"text": "b", "n": null, "more": [1]}\n'
    assert tables.read("x.jsonl", lines) == ({"text": "a", "n": "3"}, {"text": "b", "n": "", "more": "[1]"})


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("x.csv", b"text\n", "no rows below"),
        ("x.csv", b"text\n" + b"a\n" * 100_000, "100,000 rows; at most 2,000"),
        ("x.csv", b"a,b\n1,2\n1,2,3\n", "Row 3 has 3 values"),
        ("x.csv", b"text\n" + b"a" * 30_000, "Row 1 has 30,000 characters in “text”"),
        ("x.jsonl", b"", "table is empty"),
        ("x.jsonl", b'{"a": 1}\n{', "Line 2 is no JSON"),
        ("x.jsonl", b"[1]", "Line 1 is no JSON object"),
        ("x.jsonl", b"\xff\xfe", "not UTF-8"),
    ],
)
def test_tables_that_cannot_be_read(name, data, words):
    with pytest.raises(PlaygroundError, match=words):
        tables.read(name, data)


def test_empty_lines_of_an_edited_table_are_left_out():
    grid = [["a", None], ["", float("nan")], [3, "b"]]
    assert tables.from_grid(["x", ""], grid) == ({"x": "a", "column 2": ""}, {"x": "3", "column 2": "b"})


# prompts as files and as Python


def test_prompts_come_back_from_their_file():
    both = (FEW, Prompt("zero"))
    assert replay.read(replay.as_json(both)) == both
    assert replay.read('{"name": "one", "query": "{{text}}"}') == (Prompt("one"),)
    for text, words in (
        ("x", "no JSON"),
        ("[]", "no prompts"),
        ('{"prompts": [3]}', "no prompt"),
        ("[{}]" * 2, "JSON"),
    ):
        with pytest.raises(PlaygroundError, match=words):
            replay.read(text)
    with pytest.raises(PlaygroundError, match="at most 20"):
        replay.read(json.dumps([{"name": "x"}] * 21))


@pytest.mark.parametrize("as_chat", [False, True])
def test_the_python_gives_what_the_page_gives(tmp_path, capsys, as_chat):
    from playground.engine.sampling import Sampling
    from playground.labs.chat import replies

    engine = tiny.engine("llama")
    folder = tiny.save(tmp_path, "llama")
    prompt = Prompt("p", "The cat", as_chat=as_chat, question_label="", answer_label="")
    rows = [{"text": "sat on"}, {"text": "the mat"}]
    transformers.logging.set_verbosity_error()
    source = replay.source_of(f"{folder}#float32")
    assert (source.name, source.dtype) == (f"PATH/TO/{folder.name}", "float32")
    code = replay.script(prompt, rows, source, {"max_new_tokens": 8})
    assert str(folder) not in code
    exec(code.replace("PATH/TO/", f"{folder.parent}/"), {})
    printed = [eval(line) for line in capsys.readouterr().out.splitlines() if line[:1] in "'\""]
    from playground.labs.prompting.prompts import rendered, stop_strings

    how = Sampling(max_new_tokens=8, temperature=0, stop=stop_strings(prompt))
    wanted = []
    for row in rows:
        made = rendered(prompt, row)
        *_, last = (replies.reply if as_chat else replies.complete)(engine, made, how)
        wanted.append(last.text)
    cut = "\ufffd"  # a character that the last token leaves unfinished
    assert [text.rstrip(cut) for text in printed] == [text.rstrip(cut) for text in wanted]


def test_the_python_loads_the_revision_and_precision_that_ran():
    commit = "0123456789abcdef0123456789abcdef01234567"
    ran = [
        {"reference": "org/other", "revision": "f" * 40, "dtype": "float16"},
        {"reference": "org/name", "revision": commit, "dtype": "bfloat16"},
    ]
    made = replay.script(FEW, ROWS[:1], replay.source_of("org/name", ran), {})
    compile(made, "script", "exec")
    assert f"AutoTokenizer.from_pretrained(MODEL, revision={commit!r})" in made
    assert f"AutoModelForCausalLM.from_pretrained(MODEL, revision={commit!r}, dtype='bfloat16')" in made
    assert "MODEL = 'org/name'" in made
    assert replay.source_of("org/name@v2#float32") == replay.Source("org/name", "v2", "float32")
    starter = replay.source_of("starter:smollm2-135m-instruct", [])
    assert starter.name == "HuggingFaceTB/SmolLM2-135M-Instruct"
    assert "4-bit" in replay.script(FEW, ROWS[:1], starter, {})


def test_the_python_says_where_it_differs():
    source = replay.Source("org/name")
    greedy = replay.script(FEW, ROWS[:1], source, {})
    assert "lab" not in greedy and "do_sample=False" in greedy
    drawn = replay.script(FEW, ROWS[:1], source, {"samples": 5, "top_k": 7}, 0.7)
    assert "another sample" in drawn and "5 a row and let the majority decide" in drawn
    assert "do_sample=True, temperature=0.7, top_p=0.95, top_k=7" in drawn
    chosen = replay.script(FEW, ROWS[:1], source, {}, 0, ("yes", "it's"))
    assert """# The lab compared the probabilities of ['yes', "it's"] and wrote nothing.""" in chosen
    for made in (greedy, drawn, chosen, replay.script(FEW, ROWS[:1], source, {}, 0, ("a\nimport os", "b"))):
        tree = ast.parse(made)
        assert sum(isinstance(node, ast.Import) for node in tree.body) == 1  # torch


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("endpoint:local/some/model", "runs at an endpoint"),
        ("merge:half-and-half", "save this one first"),
        ("org/name+adapter:pirate*0.7", "save this one first"),
        ("org/name/file.gguf", "GGUF"),
        ("/somewhere/file.gguf", "GGUF"),
        ("org/name#int8", "int8"),
    ],
)
def test_what_transformers_alone_cannot_load_is_a_sentence(reference, words):
    with pytest.raises(PlaygroundError, match=words):
        replay.source_of(reference)
