"""Attribution: sums that must come out, models whose answer is known by hand, and a shared model left alone."""

import threading

import numpy as np
import pytest
import torch

from playground.engine import float32, tap
from playground.errors import PlaygroundError
from playground.labs import reading
from playground.labs.attention import attribution as lab
from playground.labs.attention import attribution_methods
from playground.views.attention import attribution as attribution_view
from tests import tiny

TEXT = "The cat sat on the mat because it was"


def text_for(engine):
    return TEXT if engine.anatomy.kind == "causal" else f"The cat sat on the {engine.tokenizer.mask_token} again"


@pytest.mark.parametrize("architecture", ["gpt2", "llama", "gemma2", "bert", "roberta", "mamba"])
def test_integrated_gradients_are_complete(architecture):
    engine = tiny.engine(architecture)
    seen = lab.attribute(engine, text_for(engine))
    assert seen.complete and seen.precision == "float32" and seen.steps >= 16
    difference = seen.value - seen.neutral_value
    assert abs(seen.scores.sum() - difference) <= max(0.01 * abs(difference), 1e-3)
    # the two ends, computed by the shared model itself
    ids, neutral = ends(engine, seen)
    with torch.no_grad():
        there, nowhere = (engine.model(input_ids=i).logits[0, seen.position, seen.answer.id] for i in (ids, neutral))
    assert seen.value == pytest.approx(there.item(), abs=1e-4)
    assert seen.neutral_value == pytest.approx(nowhere.item(), abs=1e-4)
    assert seen.word_scores.sum() == pytest.approx(seen.scores.sum())
    if architecture != "mamba":
        assert seen.attention.sum() == pytest.approx(1, abs=1e-4)


def test_gradients_are_the_slopes_of_the_logit():
    """Against finite differences: moving one token's embedding along itself changes the logit as its score says."""
    engine = tiny.engine("gpt2")
    seen = lab.attribute(engine, TEXT, "gradient x input")
    embeddings = engine.model.get_input_embeddings()(torch.tensor([seen.reading.ids]))
    step = 1e-2
    for at in (0, 3, len(seen.scores) - 1):
        ends = []
        for sign in (1, -1):
            moved = embeddings.clone()
            moved[0, at] *= 1 + sign * step
            with torch.no_grad():
                ends.append(engine.model(inputs_embeds=moved).logits[0, -1, seen.answer.id].item())
        assert (ends[0] - ends[1]) / (2 * step) == pytest.approx(seen.scores[at], abs=2e-3)


@pytest.mark.parametrize("architecture", ["gpt2", "llama", "bert"])
def test_gradients_are_those_of_captum(architecture):
    """Captum's own points, along the same way from the same neutral text, on the model as transformers runs it."""
    from captum.attr import InputXGradient, IntegratedGradients

    engine = tiny.engine(architecture)
    seen = lab.attribute(engine, text_for(engine))
    ids, neutral = ends(engine, seen)
    embed = engine.model.get_input_embeddings()

    def logit(embeddings):
        return engine.model(inputs_embeds=embeddings).logits[:, seen.position, seen.answer.id]

    theirs = IntegratedGradients(logit).attribute(
        embed(ids), embed(neutral), n_steps=200, internal_batch_size=50, method="gausslegendre"
    )
    size = np.abs(seen.scores).max()
    np.testing.assert_allclose(seen.scores, theirs.sum(-1)[0].detach().numpy(), atol=2e-3 * size)
    local = lab.attribute(engine, text_for(engine), "gradient x input")
    theirs = InputXGradient(logit).attribute(embed(ids).detach().requires_grad_())
    np.testing.assert_allclose(local.scores, theirs.sum(-1)[0].detach().numpy(), atol=1e-5)


def ends(engine, seen):
    """(ids of the text, ids of the neutral text), each (1, token), as `attribute` says that it takes them."""
    ids = torch.tensor([seen.reading.ids])
    kept = torch.tensor(seen.reading.special)
    kept[0] |= engine.anatomy.kind == "causal"
    return ids, torch.where(kept, ids, engine.tokenizer.mask_token_id)


def test_leaving_out_is_replacing_one_token():
    engine = tiny.engine("llama")
    seen = lab.attribute(engine, TEXT, "leave one out")
    for at in (0, 4):
        ids = torch.tensor([seen.reading.ids])
        ids[0, at] = engine.tokenizer.mask_token_id
        with torch.no_grad():
            logit = engine.model(input_ids=ids).logits[0, -1, seen.answer.id].item()
        assert seen.scores[at] == pytest.approx(seen.value - logit, abs=1e-4)


class Known(torch.nn.Module):
    """logits[0] = f(sum of the embeddings' first components), for an f whose integral is known."""

    def __init__(self, f):
        super().__init__()
        self.f = f
        self.embedding = torch.nn.Embedding.from_pretrained(torch.tensor([[0.0, 1.0], [1.0, 0.0], [2.0, 5.0]]))

    def get_input_embeddings(self):
        return self.embedding

    def forward(self, input_ids=None, inputs_embeds=None):
        inputs_embeds = self.embedding(input_ids) if inputs_embeds is None else inputs_embeds
        value = self.f(inputs_embeds[..., :1].sum(dim=1))
        return type("Output", (), {"logits": torch.cat([value, -value], dim=1)[:, None]})


@pytest.mark.parametrize(
    ("f", "value"), [(lambda s: s, 3.0), (lambda s: s**2, 9.0), (lambda s: s.exp(), np.exp(3) - 1)]
)
def test_closed_forms(f, value):
    """Tokens of 1 and 2 against zeros: along a straight path they share f(3) - f(0) as 1 to 2, whatever f is."""
    engine = tiny.engine("gpt2")
    read = reading.of_ids(engine, [1, 2])
    read.special[:] = False
    run = attribution_methods.Run(engine, Known(f), {"input_ids": torch.tensor([[1, 2]])}, 0, 4, None, lambda *_: None)
    run.aim(0, None)
    found = attribution_methods.integrated_gradients(run, read, 0, "all")
    np.testing.assert_allclose(found.scores, [value / 3, 2 * value / 3], rtol=1e-4)
    zero = attribution_methods.integrated_gradients(run, read, 0, "zero")
    np.testing.assert_allclose(zero.scores, [value / 3, 2 * value / 3], rtol=1e-4)


def test_what_does_not_fit_the_sum_is_said():
    """A jump that no number of points finds: the gradient is 0 wherever it is taken."""
    engine = tiny.engine("gpt2")
    read = reading.of_ids(engine, [1, 2])
    read.special[:] = False
    jump = Known(lambda s: (s > 2.99).float() + 0 * s)
    run = attribution_methods.Run(engine, jump, {"input_ids": torch.tensor([[1, 2]])}, 0, 16, None, lambda *_: None)
    run.aim(0, None)
    found = attribution_methods.integrated_gradients(run, read, 0, "all")
    assert found.complete is False and found.steps > 16 and found.error == pytest.approx(1)
    assert "do not agree to 1 %" in found.remarks[0]


@pytest.mark.parametrize(("dtype", "precision"), [("bfloat16", ""), ("bfloat16", "#int8")])
def test_other_precisions_are_looked_at_in_float32(tmp_path, dtype, precision):
    engine = tiny.loaded(tiny.save(tmp_path / "m", "llama"), dtype, precision)
    before = {name: value.clone() for name, value in engine.model.state_dict().items()}
    seen = lab.attribute(engine, TEXT)
    assert seen.complete and seen.precision == f"float32, of {precision.strip('#') or dtype} weights"
    after = engine.model.state_dict()
    assert before.keys() == after.keys() and all(torch.equal(before[k], after[k]) for k in before)
    wide = float32.copy_of(engine.model)
    assert all(p.dtype == torch.float32 for p in wide.parameters())
    ids = engine.encode(TEXT)
    with torch.no_grad():
        torch.testing.assert_close(wide(ids).logits, engine.model(ids).logits.float(), atol=0.1, rtol=0.1)


def test_a_copy_of_float32_weights_costs_nothing():
    engine = tiny.engine("llama")
    assert float32.n_bytes(engine.model) == 0
    wide = float32.copy_of(engine.model)
    theirs = {p.data_ptr() for p in engine.model.parameters()}
    assert all(p.data_ptr() in theirs for p in wide.parameters())
    with torch.no_grad():
        ids = engine.encode(TEXT)
        assert torch.equal(wide(ids).logits, engine.model(ids).logits)


def test_nobody_changes_the_model_while_it_is_copied(monkeypatch):
    """Another visitor's ablation puts doors into modules; in the middle of a copy that would break it."""
    engine = tiny.engine("llama")
    module, copy, others = engine.model.model.layers[0].mlp, tap.copy.deepcopy, []

    def ablate():
        with tap.open_tap(tap.Tap(around={module: lambda forward, arguments, named: forward(*arguments, **named)})):
            pass

    def watched(*arguments):
        others.append(threading.Thread(target=ablate))
        others[0].start()
        others[0].join(0.2)
        assert others[0].is_alive(), "it waits"
        return copy(*arguments)

    monkeypatch.setattr(tap.copy, "deepcopy", watched)
    float32.copy_of(engine.model)
    others[0].join(5)
    assert not others[0].is_alive() and "forward" not in module.__dict__


def test_gradients_flow_in_a_thread_of_inference_and_leave_no_trace():
    engine, found = tiny.engine("llama"), []

    def look():
        with torch.inference_mode():
            found.append(lab.attribute(engine, TEXT))

    worker = threading.Thread(target=look)
    worker.start()
    worker.join()
    assert found[0].complete
    assert not any(p.requires_grad or p.grad is not None for p in engine.model.parameters())


def test_one_answer_against_another():
    engine = tiny.engine("gpt2")
    seen = lab.attribute(engine, TEXT, target="cat", against="mat")
    single = [lab.attribute(engine, TEXT, target=word) for word in ("cat", "mat")]
    assert seen.complete and seen.value == pytest.approx(single[0].value - single[1].value, abs=1e-4)
    np.testing.assert_allclose(seen.scores, single[0].scores - single[1].scores, atol=0.02)


def test_of_an_answer_of_several_tokens_the_first_is_asked_about_and_that_is_said():
    engine = tiny.engine("gpt2")
    ids = engine.tokenizer(" zebra", add_special_tokens=False).input_ids
    assert len(ids) > 1
    first = engine.tokenizer.decode(ids[:1])
    seen = lab.attribute(engine, TEXT, "leave one out", target=" zebra", against=" cat")
    assert seen.answer.id == ids[0]
    said = f"“ zebra” is {len(ids)} tokens; its first, “{first}”, is asked about."
    assert said in seen.remarks and said in attribution_view.sentence(seen)
    assert not any("“ cat”" in remark for remark in seen.remarks), "one token is what was named"
    whole = lab.attribute(engine, TEXT, "leave one out", target=first)
    assert whole.answer == seen.answer and not any("is asked about" in remark for remark in whole.remarks)


def test_a_class_is_explained(tmp_path):
    import transformers

    tokenizer = tiny._tokenizer("wordpiece")
    config = transformers.BertConfig(
        **tiny.SIZES, vocab_size=len(tokenizer), pad_token_id=0, max_position_embeddings=64
    )
    config.id2label = {0: "sad", 1: "happy"}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        transformers.BertForSequenceClassification(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    engine = tiny.loaded(tmp_path)
    seen = lab.attribute(engine, "The cat sat.", target="Happy", text_pair="The doctor asked.")
    assert seen.answer.label == "happy" and seen.complete and seen.position is None
    assert {choice.label for choice in seen.choices} == {"sad", "happy"}
    with pytest.raises(PlaygroundError, match=r"no class 'angry'\. Choose one of: sad, happy"):
        lab.attribute(engine, "The cat sat.", target="angry")


@pytest.mark.parametrize(
    ("architecture", "arguments", "sentence"),
    [
        ("llama", {"text": " "}, "no text to read"),
        ("llama", {"text": "cat " * 3000}, "reads at most 256"),
        ("llama", {"text": TEXT, "method": "shap"}, "Choose one of: integrated gradients, gradient x input"),
        ("llama", {"text": TEXT, "target": "cat", "against": "cat"}, "compared with itself"),
        ("llama", {"text": TEXT, "neutral": "noise"}, "Choose one of: token, all, zero"),
        ("llama", {"text": TEXT, "budget": 10}, "The gradient of .* What fits: 0 tokens"),
        ("llama", {"text": TEXT, "budget": 10, "method": "leave one out"}, "A pass over .* What fits: 0 tokens"),
        ("bert", {"text": TEXT}, r"Put \[MASK\] where"),
        ("bert", {"text": "a [MASK]", "mask": 2}, "mask is 2, and there are 1"),
        ("t5", {"text": TEXT}, "reads one text and writes another"),
    ],
)
def test_what_cannot_be_explained(architecture, arguments, sentence):
    with pytest.raises(PlaygroundError, match=sentence):
        lab.attribute(tiny.engine(architecture), **arguments)


def test_a_stop_ends_it():
    stop = threading.Event()
    stop.set()
    with pytest.raises(PlaygroundError, match="Stopped"):
        lab.attribute(tiny.engine("llama"), TEXT, stop=stop)


@pytest.mark.parametrize("method", list(lab.METHODS))
@pytest.mark.parametrize("after", [1, 4, 7])
def test_a_stop_is_heard_within_a_batch(method, after, monkeypatch):
    """After each block on the way there, and before each on the way back: a batch of a long text takes many seconds."""
    engine, stop, heard = tiny.engine("llama"), threading.Event(), []
    heed, aimed = attribution_methods.Run._heed_stop, attribution_methods.Run.aim

    def counted(run):
        heard.append(run)
        if len(heard) == after:
            stop.set()
        heed(run)

    def aim(run, *answers):
        aimed(run, *answers)
        heard.clear()

    monkeypatch.setattr(attribution_methods.Run, "_heed_stop", counted)
    monkeypatch.setattr(attribution_methods.Run, "aim", aim)
    with pytest.raises(PlaygroundError, match="Stopped before every token"):
        lab.attribute(engine, TEXT, method, stop=stop)
    assert len(heard) == after


def test_scores_are_shown_where_attention_does_not_fit(monkeypatch):
    from playground.labs.attention import maps

    engine = tiny.engine("llama")
    monkeypatch.setattr(maps, "MOST_BYTES", 10)
    seen = lab.attribute(engine, TEXT, "leave one out")
    assert seen.attention is None and seen.scores.any()
    assert seen.remarks[-1].startswith("There is no attention beside the scores: The attention of one layer")


def test_no_answer_named_is_the_most_probable():
    engine = tiny.engine("llama")
    seen = lab.attribute(engine, TEXT, "gradient x input", target="", against="")
    assert seen.answer == seen.choices[0] and seen.against is None
