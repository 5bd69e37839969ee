"""What is said of an intervention is true of its numbers, and no text reaches the page as HTML."""

import dataclasses

import numpy as np
import pytest

from playground.engine.provenance import Provenance
from playground.labs.internals.before_after import Change
from playground.labs.internals.contrasts import Contrast, Proposal
from playground.labs.internals.patching import Patching, Reading
from playground.labs.internals.random_vectors import Replacement
from playground.labs.internals.steering import Direction
from playground.labs.internals.sweep import Sweep
from playground.views.internals import ablation, patching, steering, written

BAD = "<img src=x onerror=alert(1)>"
MADE = Provenance("org/model", "0123456789abcdef", "cpu", "bfloat16", {"seed": 3, "pooling": "mean"}, {}, 1.5)


def contrast(word="·France"):
    clean, corrupted = ("The", word, "·of"), ("The", "·Italy", "·of")
    return Contrast(BAD, "b", None, None, clean, corrupted, (1,), 2, 5, 6, " Paris", " Rome")


def patched(effects, site="residual", direction="denoising", **more):
    effects = np.array(effects, dtype=float)
    clean, corrupted = Reading(6.0, 0.7, 0.01), Reading(-4.0, 0.02, 0.5)
    columns = tuple(map(str, range(effects.shape[1]))) if site == "head" else contrast().clean_labels
    given = dict(
        site=site,
        direction=direction,
        layers=np.arange(len(effects)),
        columns=columns,
        effects=effects,
        differences=-4 + 10 * effects,
        probabilities=np.stack([effects * 0.5, 0.5 - effects * 0.4], axis=-1),
        control=np.full(effects.shape, 0.1),
        control_level=0.2,
        whole=np.where(np.isnan(effects[:, 0]), np.nan, 1.0),
        first=0 if site == "head" else 1,
        clean=clean,
        corrupted=corrupted,
        contrast=contrast(),
        complete=True,
        provenance=MADE,
    )
    return Patching(**(given | more))


EFFECTS = [[0, 0.95, 0.0], [0, 0.9, 0.1], [0, 0.3, 0.4], [0, 0.05, 1.0]]


def test_the_map_has_a_row_a_token_and_both_words_where_the_texts_differ():
    found = patched(EFFECTS)
    drawn = patching.figure(found)
    np.testing.assert_allclose(drawn.data[0].z, np.array(EFFECTS).T, atol=1e-6)
    assert (drawn.data[0].zmin, drawn.data[0].zmax) == (-1, 1)
    assert list(drawn.layout.yaxis.ticktext) == ["The", "·France | ·Italy", "·of"]
    assert "layer 1, <b>·France | ·Italy</b>, position 1: effect +0.90" in drawn.data[0].hovertext[1][1]
    assert drawn.layout.xaxis.title.text == "Layer" and drawn.layout.yaxis.title.text == "Token"
    assert (patching.figure(found, control=True).data[0].z == np.float32(0.1)).all()


def test_who_carries_the_difference_is_said_from_the_numbers():
    said = patching.verdict(patched(EFFECTS), "Tiny")
    assert (
        "carried mostly by “·France | ·Italy” (position 1) in layers 0 to 1, then by no single token in layer 2, then "
        "by “·of” (position 2) in layer 3." in said
    )
    assert "95 % of these stay within 0.20 from 0; 5 of 12 real patches lie outside" in said
    assert "Tiny gives “·Paris” 70 % in the clean text and 2.0 % in the corrupted one; “·Rome” 1.0 % and 50 %." in said
    stopped = patched([[0, 0.9, 0.0], [np.nan] * 3], complete=False)
    assert "Stopped: 1 of 2 layers are done." in patching.verdict(stopped, "Tiny")
    torn = patched(EFFECTS, clean=Reading(-1.0, 0.1, 0.2))
    assert "does not prefer the right answer" in patching.verdict(torn, "Tiny")
    assert "does not prefer the right answer" not in said
    heads = patched([[0.1, -0.4], [0.3, 0.0]], "head", "noising")
    told = patching.verdict(heads, "Tiny")
    assert "Largest effects: layer 0, head 1 (-0.40); layer 1, head 0 (+0.30)" in told and "Noising" in told


def test_a_cell_shows_the_patch_between_both_runs():
    told = patching.cell(patched(EFFECTS), 2, 3)
    assert "layer 3, token “·of” (position 2)" in told and "+1.000" in told and "+0.100 (control)" in told
    for number in ("+6.00", "-4.00"):
        assert f"<td>{number}</td>" in told
    assert "Nothing before this token differs" in patching.cell(patched(EFFECTS), 0, 3)
    assert patching.cell(patched(EFFECTS), 99, 99) == told  # a click beside the map is the nearest cell


def test_texts_are_aligned_and_escaped():
    told = patching.alignment(("The", BAD), ("The", "·Italy"))
    assert "2 tokens each; one differs" in told and told.count("<mark>") == 2
    one = Proposal(BAD, BAD, BAD, "countries", (1,), BAD, " Rome", 3.0, -2.0)
    evil = dataclasses.replace(contrast(BAD), answer_text=BAD, wrong_text=BAD)
    found = patched(EFFECTS, contrast=evil, columns=evil.clean_labels)
    pieces = (
        *(told, patching.proposals([(one, evil)]), patching.verdict(found, BAD), patching.cell(found, 1, 1)),
        *(patching.table(found), patching.origin(found), *patching.figure(found).layout.yaxis.ticktext),
    )
    assert not any("<img" in piece for piece in pieces)


def change(before=(0.6, 0.3, 0.0), after=(0.1, 0.2, 0.5), texts=(" Paris", BAD, " Rome"), moved=1.25):
    return Change(
        ("mlp 3", "head 1.2"),
        "zero",
        ("The", "·of"),
        np.array([0.0, moved]),
        1,
        np.arange(3),
        texts,
        np.array(before),
        np.array(after),
        MADE,
    )


def test_before_and_after_are_told_from_the_numbers():
    said = ablation.sentence(change(), "Tiny")
    assert "Layer 3&#x27;s MLP and head 2 of layer 1 set to zero." in said and "1.250 nats" in said
    assert "<b>“·Paris”</b> falls from 60 % to 10 %, and <b>“·Rome”</b> comes first with 50 % (0 % before)" in said
    assert "stays the likeliest: 60 % before, 50 % after" in ablation.sentence(change(after=(0.5, 0.2, 0.1)), "Tiny")
    assert "hardly notices" in ablation.sentence(change(before=(0.6, 0.3, 0), after=(0.6, 0.3, 0), moved=0.001), "Tiny")
    drawn = ablation.bars(change())
    assert [bar.name for bar in drawn.data] == ["As it is", "Changed"]
    order = [0, 2, 1]  # by the larger of both
    np.testing.assert_allclose(drawn.data[1].x, np.array((0.1, 0.2, 0.5))[order])
    pieces = (said, ablation.sentence(change(), BAD), ablation.table(change()), *drawn.layout.yaxis.ticktext)
    assert not any("<img" in piece for piece in pieces)


def sweep(kind, changes, **more):
    changes = np.array(changes, dtype=float)
    given = dict(complete=True, layers=np.arange(len(changes)))
    return Sweep(
        kind, divergences=np.abs(changes), answer=3, answer_text=BAD, changes=changes, provenance=MADE, **(given | more)
    )


def test_a_sweep_names_what_is_needed_most_and_what_is_in_the_way():
    heads = [sweep("head", [[-0.1, -2.0], [0.4, 0.0]])]
    said = ablation.sweep_sentence(heads, "Tiny")
    assert "Most needed: layer 0, head 1 (-2.00); layer 0, head 0 (-0.10)" in said and "<img" not in said
    assert "Most in the way: layer 1, head 0 (+0.40)" in said and "25% of the parts" in said
    drawn = ablation.sweep(heads)
    np.testing.assert_allclose(drawn.data[0].z, [[-0.1, 0.4], [-2.0, 0.0]], atol=1e-6)
    assert drawn.data[0].zmax == 2.0 and "<img" not in drawn.data[0].hovertext[0][0]
    assert ablation.target(heads, 1, 0) == "head 0.1"
    # of a model whose first layer has no MLP
    layers = [sweep("mlp", [[-0.5]], layers=np.array([1])), sweep("layer", [[-1.0], [np.nan]], complete=False)]
    drawn = ablation.sweep(layers)
    assert list(drawn.layout.yaxis.ticktext) == ["MLP", "Whole layer"]
    np.testing.assert_allclose(drawn.data[0].z, [[np.nan, -0.5], [-1.0, np.nan]])
    assert ablation.target(layers, 1, 0) == "layer 0"
    assert "Stopped before all parts were tried" in ablation.sweep_sentence(layers, "Tiny")


def test_noise_is_told_with_its_spread():
    found = Replacement(BAD, 6, change(), np.array([1.0, 3.0]), 0.0, (1, 2), np.array([40.0, 41.0]))
    said = ablation.noise(found, "Tiny")
    assert "2 times" in said and "2.000 nats on average (1.000 to 3.000)" in said and "norm 40, 41" in said
    assert "<img" not in said


@pytest.mark.parametrize(("strength", "sentence"), [(0, "the same bit for bit"), (2, "100%</b>"), (-1, "<b>50%</b>")])
def test_a_direction_is_told_beside_what_it_is_added_to(strength, sentence):
    found = Direction(10, np.zeros(4), 5.0, 10.0, 1.0, MADE)
    said = steering.sentence(found, strength)
    assert sentence in said and "5.0 long, a residual there 10.0 (50%)" in said
    assert ("expect broken text" in said) == (strength == 2)
    assert "bf16" in steering.origin(found) and "pooling: mean" in steering.origin(found)


def test_texts_part_at_a_words_beginning():
    assert written.together("the food was amazing", "the food was awful") == len("the food was ")
    assert written.together("one", "one two") == 3
    assert written.together("cat", "dog") == 0
    said = written.side_by_side(BAD, ("As it is", BAD), (None, None), BAD)
    assert "<img" not in said and said.count("Reading …") == 2
