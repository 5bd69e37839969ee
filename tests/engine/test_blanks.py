"""Masked texts read together give what each gives alone, however much of the pass is spared."""

import pytest
import torch

from playground.engine import blanks
from playground.engine.blanks import Row
from tests import tiny

TEXTS = ("The cat sat on the mat.", "The doctor asked the nurse to help because it was comfortable.", "Paris")


@pytest.mark.parametrize("architecture", ["bert", "roberta", "distilbert"])
def test_rows_of_all_lengths_and_several_places(architecture):
    engine = tiny.engine(architecture)
    rows = []
    for text in TEXTS:
        ids = list(engine.tokenizer(text).input_ids)
        places = (1, len(ids) - 2) if len(ids) > 3 else (len(ids) // 2,)
        for place in places:
            ids[place] = engine.tokenizer.mask_token_id
        rows.append(Row(tuple(ids), places))
    found = {number: [] for number in range(len(rows))}
    for numbers, logprobs in blanks.read(engine, rows):
        assert len(logprobs) == sum(len(rows[i].places) for i in numbers)
        at = [i for i in numbers for _ in rows[i].places]
        for number, row in zip(at, logprobs, strict=True):
            found[number].append(row)
    for number, row in enumerate(rows):
        with torch.inference_mode():
            logits = engine.model(input_ids=torch.tensor([row.ids])).logits[0, list(row.places)]
        torch.testing.assert_close(torch.stack(found[number]), logits.log_softmax(-1), atol=1e-5, rtol=0)


def test_the_last_block_is_narrowed_where_it_can_be():
    assert blanks._way(tiny.engine("bert")).narrow is not None
    assert blanks._way(tiny.engine("roberta")).narrow is not None
    assert blanks._way(tiny.engine("distilbert")).narrow is None  # its block names no such place
    seen = []
    engine = tiny.engine("bert")
    ids = tuple(engine.tokenizer(TEXTS[0]).input_ids)
    hidden = (*ids[:2], engine.tokenizer.mask_token_id, *ids[3:])
    last = engine.anatomy.main.blocks[-1].output
    handle = last.register_forward_pre_hook(lambda _, arguments: seen.append(tuple(arguments[0].shape[:2])))
    try:
        list(blanks.read(engine, [Row(hidden, (2,)), Row(hidden, (2,))]))
    finally:
        handle.remove()
    assert seen[-1] == (2, 1)  # two asked places, not two whole rows
