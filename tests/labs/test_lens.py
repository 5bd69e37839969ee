"""The lens agrees with transformers' own hidden states, read out by hand, and with SciPy's entropies."""

import threading

import numpy as np
import pytest
import torch
from scipy import stats

from playground.engine.observe import observe
from playground.engine.readout import read_out
from playground.engine.tap import Site
from playground.errors import PlaygroundError
from playground.labs.internals import lens as lab
from tests import tiny

TEXT = "The cat sat on the mat because it was comfortable."


def by_hand(engine, text, written=""):
    """Logits, (row, position, vocabulary), from `output_hidden_states` and the model's own last modules."""
    ids = engine.encode(text)
    inputs = {"input_ids": ids}
    if engine.anatomy.kind == "seq2seq":
        begun = torch.tensor([[0, *engine.tokenizer(written, add_special_tokens=False).input_ids]])
        begun[0, 0] = engine.model.config.decoder_start_token_id
        inputs["decoder_input_ids"] = begun
    with torch.no_grad():
        output = engine.model(**inputs, output_hidden_states=True)
    hidden = output.get("decoder_hidden_states") or output.hidden_states
    model = engine.model
    norm, head = {
        "gpt2": lambda m: (m.transformer.ln_f, m.lm_head),
        "llama": lambda m: (m.model.norm, m.lm_head),
        "gemma2": lambda m: (m.model.norm, lambda h: 0.3 * torch.tanh(m.lm_head(h) / 0.3)),
        "bert": lambda m: (lambda h: h, m.cls),
        "roberta": lambda m: (lambda h: h, m.lm_head),
        "t5": lambda m: (m.decoder.final_layer_norm, lambda h: m.lm_head(h * m.model_dim**-0.5)),
    }[engine.anatomy.architecture](model)
    with torch.no_grad():
        rows = [head(norm(h)) for h in hidden[:-1]]
    return torch.stack([*rows, output.logits])[:, 0].double().numpy(), output.logits  # [-1] is normed already


@pytest.mark.parametrize("name", ["gpt2", "llama", "gemma2", "bert", "roberta", "t5"])
def test_every_cell_is_what_hidden_states_say(name):
    engine = tiny.engine(name)
    written = "Paris is the" if name == "t5" else ""
    seen = lab.lens(engine, TEXT, k=4, written=written)
    logits, _ = by_hand(engine, TEXT, written)
    assert seen.layers == ("embedding", "0", "1", "2")
    assert seen.top_ids.shape == (4, logits.shape[1], 4) and seen.entropies.shape == logits.shape[:2]
    probabilities = np.exp(logits - logits.max(-1, keepdims=True))
    probabilities /= probabilities.sum(-1, keepdims=True)
    best = -np.sort(-probabilities, axis=-1)[..., :4]
    np.testing.assert_allclose(seen.top_probabilities, best, rtol=2e-4)
    at = np.take_along_axis(probabilities, seen.top_ids, axis=-1)
    np.testing.assert_allclose(at, best, rtol=2e-4)
    np.testing.assert_allclose(seen.entropies, stats.entropy(probabilities, axis=-1), atol=1e-4)
    expected = stats.entropy(np.broadcast_to(probabilities[-1], probabilities.shape), probabilities, axis=-1)
    np.testing.assert_allclose(seen.divergences, expected, atol=1e-4)
    np.testing.assert_allclose(seen.token_probabilities, probabilities[..., seen.token], rtol=2e-4)
    near = [(probabilities > probabilities[..., [seen.token]] * (1 + slack)).sum(-1) for slack in (1e-4, -1e-4)]
    assert (near[0] <= seen.token_ranks).all() and (seen.token_ranks <= near[1]).all()  # ties may go either way
    final, clear = probabilities[-1].argmax(-1), best[-1, :, 1] < best[-1, :, 0] * (1 - 1e-4)  # without ties
    at = np.take_along_axis(probabilities, np.broadcast_to(final[:, None], (4, len(final), 1)), axis=-1)[..., 0]
    np.testing.assert_allclose(seen.final_probabilities[:, clear], at[:, clear], rtol=2e-4)
    assert (clear.any() or name == "gemma2") and (seen.final_ranks[-1] == 0).all()  # its cap makes ties of all
    assert ((seen.final_ranks == 0) >= (seen.top_ids[..., 0] == final))[:, clear].all()
    assert seen.answer_position == logits.shape[1] - 1 == seen.n_positions - 1
    assert seen.deviation < 1e-5 and seen.divergences[-1].max() < 1e-6
    assert seen.predicts == ("same" if engine.anatomy.kind == "masked" else "next")


@pytest.mark.parametrize("name", ["gpt2", "llama", "gemma2", "mamba"])
def test_the_norm_is_there_once(name, tmp_path):
    """Negative controls: without the final norm, or with it twice, the last row is not the logits."""
    engine = tiny.loaded(tiny.save(tmp_path, name))  # one of its own, with a norm that does something the second time
    norm = engine.anatomy.main.final_norm
    with torch.random.fork_rng():
        torch.manual_seed(1)
        norm.weight.data.uniform_(0.2, 2)
    seen = observe(engine, {"input_ids": engine.encode(TEXT)}, residual_layers=[2])
    last = seen.residuals[Site("decoder", 2, "block")]
    assert torch.equal(read_out(engine, last), seen.logits)
    assert lab.lens(engine, TEXT).deviation < 1e-5
    with torch.no_grad():
        twice, never = read_out(engine, norm(last)), engine.anatomy.unembedding(last)
    if name == "gemma2":
        never = 0.3 * torch.tanh(never / 0.3)
    for wrong in (twice, never):
        assert (wrong - seen.logits).abs().max() > 0.05 * seen.logits.abs().max()


def test_many_pieces_are_the_whole(monkeypatch):
    engine = tiny.engine("llama")
    whole = lab.lens(engine, TEXT, follow=" the")
    monkeypatch.setattr(lab, "_HELD", 3 * engine.anatomy.vocabulary_size)  # three positions at a time
    pieces = lab.lens(engine, TEXT, follow=" the")
    assert np.array_equal(whole.top_ids, pieces.top_ids)
    for name in ("top_probabilities", "entropies", "divergences", "token_probabilities", "token_ranks"):
        np.testing.assert_allclose(getattr(whole, name), getattr(pieces, name), atol=1e-5)
    assert whole.token_text == " the"
    part = lab.lens(engine, TEXT, begin=-3, follow=" the")
    assert part.positions.tolist() == whole.positions[-3:].tolist() and part.labels == whole.labels[-3:]
    np.testing.assert_allclose(part.entropies, whole.entropies[:, -3:], atol=1e-5)


def test_what_cannot_be_done_is_said():
    llama = tiny.engine("llama")
    stop = threading.Event()
    stop.set()
    for arguments, sentence in (
        (dict(text=" "), "no text|There is no"),
        (dict(text=TEXT, k=0), "k is 0"),
        (dict(text=TEXT, begin=500), "There are no positions"),
        (dict(text=TEXT, follow="comfortable sofa"), "tokens to this model"),
        (dict(text=TEXT, written="x"), "Only encoder-decoders"),
        (dict(text=TEXT, stop=stop), "Stopped"),
        (dict(text="cat " * 400), "tokens long"),
    ):
        with pytest.raises(PlaygroundError, match=sentence):
            lab.lens(llama, **arguments)


def test_the_answer_of_a_masked_model_is_read_at_the_mask():
    engine = tiny.engine("bert")
    text = "The cat [MASK] on the mat."
    seen = lab.lens(engine, text, k=1)
    at = seen.labels.index("[MASK]")
    logits, _ = by_hand(engine, text)
    assert seen.answer_position == at and seen.token == logits[-1, at].argmax() == seen.top_ids[-1, at, 0]
    part = lab.lens(engine, text, k=1, begin=at + 1)  # also when it is not among what is shown
    assert part.answer_position == at and part.token == seen.token and part.n_positions == seen.n_positions


def test_no_special_tokens_are_added_to_a_text_that_has_them():
    engine = tiny.engine("bert")
    whole = lab.lens(engine, "[CLS] the cat [SEP]", complete=True)
    assert whole.labels == lab.lens(engine, "the cat").labels
