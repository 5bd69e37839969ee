"""Pictures of merges: numbers stand where they belong, and nothing that a person typed becomes markup."""

import math
import re
from types import SimpleNamespace

from playground.labs.merging.methods import METHODS
from playground.tabs.merge import kitchen, typed
from playground.views.merge import answers, curve, curves, inspection

BAD = "<img src=x onerror=alert(1)>"


def sweep(n_steps: int = 3, n_done: int = 3) -> SimpleNamespace:
    measures = [
        SimpleNamespace(name=name, title=f"Title of {name}", unit="nats", ideal=None)
        for name in ("perplexity", "kl_a", "kl_b", "accuracy")
    ]
    rows = [(0.0, (9.0, 0.0, 2.0, 0.5)), (0.5, (7.0, 0.6, 0.5, 0.75)), (1.0, (8.0, 2.0, 0.0, math.nan))]
    steps = [SimpleNamespace(t=t, values=values) for t, values in rows[:n_done]]
    column = lambda i: __import__("numpy").array([s.values[i] for s in steps])  # noqa: E731
    return SimpleNamespace(measures=measures, steps=steps, n_steps=n_steps, column=column)


def test_curves_have_a_row_a_measure_and_say_what_stands_out():
    figure = curves.figure(sweep())
    lines = [trace for trace in figure.data if trace.mode == "lines+markers"]
    assert [list(trace.y) for trace in lines][:2] == [[9, 7, 8], [0, 0.6, 2]]
    assert list(lines[3].y) == [0.5, 0.75, None]
    assert sum(trace.mode == "lines" for trace in figure.data) == 3  # no straight way to what is not known
    told = curves.sentence(sweep())
    assert "least at t = 0.50 (perplexity 7)" in told and "t = 0.50 (75%)" in told
    assert "From t = 0.50 on the merge predicts more as B" in told
    assert not [trace for trace in curves.figure(sweep(n_done=2)).data if trace.mode == "lines"]


def test_the_heatmap_has_a_column_a_layer_and_names_are_escaped():
    def difference(layer, part, cosine, conflicts=math.nan):
        angle = math.degrees(math.acos(cosine))
        return SimpleNamespace(
            name=f"{part}.{layer}", layer=layer, part=part, n=10, cosine=cosine, angle=angle, norm_ratio=1.0,
            distance=0.1, delta_cosine=math.nan, conflicts=conflicts, same=False, is_straight=cosine > 0.9995,
        )  # fmt: skip

    found = SimpleNamespace(
        differences=[
            difference(0, "q", 0.9),
            difference(1, "q", 0.9999),
            difference(1, BAD, 0.8),
            difference(None, "e", 1),
        ],
        n_same=0,
        n_straight=2,
        compatibility=SimpleNamespace(
            architecture="llama", mismatches=[SimpleNamespace(sentence=f"{BAD} differs.", fatal=True)]
        ),
    )
    (heat,) = inspection.figure(found, "Cosine of the weights").data
    assert heat.z[0].tolist() == [0.9, 0.9999] and math.isnan(heat.z[1][0])
    assert not any("<img" in name for name in heat.y)
    summary = inspection.summary(found)
    assert "straight line in 2 of 4" in summary and "<img" not in summary and "cannot be merged" in summary
    assert [row[-1] for row in inspection.rows(found)] == ["arc", "line", "arc", "line"]
    assert len(inspection.rows(found)[0]) == len(inspection.HEADERS)


def test_answers_are_escaped_and_the_merge_is_marked():
    shown = answers.html([("A", BAD, None), ("Merge", "SLERP", None)])
    assert "<img" not in shown and shown.count("<li") == 2 and 'class="merged"' in shown
    told = answers.update(SimpleNamespace(reference=BAD, in_place=True, seconds=0.5), "SLERP", 269_000_000)
    assert "<img" not in told and "269 MB" in told and "filled in place in 0.50 s" in told


def test_a_curve_is_drawn_where_its_numbers_are_and_can_be_read_back():
    drawing = curve.html((0, 0.5, 1, 7))
    heights = [float(y) for y in re.findall(r'cy="([\d.]+)"', drawing)]
    assert heights == [82, 46, 10, 10]
    assert drawing.count('role="slider"') == 4 and 'aria-valuenow="0.50"' in drawing
    assert curve.html((0.25,)).count("<circle") == 5
    assert typed.numbers("0, .5; 1,", "x") == (0, 0.5, 1)


def test_every_method_is_described_with_its_formula_and_its_dialects():
    for method in METHODS.values():
        text = kitchen.described(method)
        assert method.formula in text and method.paper in text
        assert all(f"**{name}**" in text for name in method.dialects)
