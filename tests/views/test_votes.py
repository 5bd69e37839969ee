"""The score as HTML and the files handed out: what they say, and that nothing typed becomes markup."""

import base64
import csv
import io
import json
import re
from dataclasses import replace

from playground.labs.chat import votes as lab
from playground.labs.chat.votes import Contestant, Vote
from playground.views import votes as view

COLD = Contestant("m", "", (("temperature", 0.2),))
WARM = Contestant("m", "<script>x</script>", (("temperature", 1.2),))
VOTE = Vote(COLD, WARM, "a", "b", 'Why "so", <b>?\n=1+1', 2, (7, None), "2026-01-02T03:04:05+00:00")


def test_the_score_says_what_the_lab_counts():
    shown = view.html([VOTE] * 8 + [replace(VOTE, choice="b")] + [replace(VOTE, choice="tie")] * 2, str.upper)
    assert re.findall(r"<td>(\d+)</td>", shown) == ["8", "1", "2", "0"]
    assert "89 %" in shown
    assert "57 to 98 %" in shown  # Wilson for 8 of 9: 0.565 to 0.980
    assert "<td>0.039</td>" in shown
    assert "M · temperature 0.2 · no system prompt is preferred to M · temperature 1.2" in shown
    assert "reply 1 was preferred in 1 of 9" in shown
    assert "Not enough votes" in view.html([VOTE], str.upper)
    assert "No votes yet" in view.html([], str.upper)
    assert "–" in view.html([replace(VOTE, choice="tie")], str.upper)


def test_nothing_typed_becomes_markup():
    assert "<script" not in view.html([VOTE], lambda reference: "<script>")


def test_the_files_hold_every_vote_whole():
    shown = view.html([VOTE, VOTE], str.upper)
    files = dict(re.findall(r"download='([^']+)' href='data:[^;]+;base64,([^']+)'", shown))
    assert lab.read(json.loads(base64.b64decode(files["votes.json"]))) == [VOTE, VOTE]
    rows = list(csv.DictReader(io.StringIO(base64.b64decode(files["votes.csv"]).decode(), newline="")))
    assert len(rows) == 2
    assert rows[0]["prompt"] == VOTE.prompt
    assert (rows[0]["choice"], rows[0]["a_seed"], rows[0]["b_seed"], rows[0]["first_place"]) == ("a", "7", "", "b")
    assert json.loads(rows[0]["b_settings"]) == {"temperature": 1.2}
