"""The training of the masked starter on a scale of seconds: the real code, a tiny body, a language of 12 words."""

import json
import tarfile
from itertools import count

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertForMaskedLM, BertModel

from playground.models import difference, masked
from tests import tiny
from training.masked_starter import average, batches, clean, evaluate, gather, pack, readers, sample, train, unpack
from training.masked_starter import model as network
from training.masked_starter.gather import Passages
from training.masked_starter.sources import SOURCES

WORDS = np.arange(2000, 2012)  # the language: a text says one word again and again


@pytest.fixture(scope="module")
def passages() -> Passages:
    rng = np.random.default_rng(0)
    texts = [np.full(rng.integers(6, 20), rng.choice(WORDS)) for _ in range(400)]
    starts = np.concatenate([[0], np.cumsum([len(text) for text in texts])])
    source, split = np.arange(400) % 2, (np.arange(400) % 10 == 0) + 2 * (np.arange(400) % 10 == 1)
    return Passages(np.concatenate(texts).astype(np.uint16), starts, source, split, ("one", "two"), (1.0, 0.5))


@pytest.fixture(scope="module")
def body(tmp_path_factory):
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("body")
    sizes = dict(hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2)
    model = BertModel(BertConfig(**sizes, max_position_embeddings=64))
    for parameter in model.parameters():  # as far apart as trained weights are: it learns within seconds
        if parameter.dim() > 1:
            parameter.data.mul_(4)
    model.save_pretrained(folder)
    return folder


RATES = dict(head_rate=1e-2, body_rate=3e-3, vector_rate=1e-2)
PLAN = train.Plan(
    minutes=1, n_tokens=256, head_share=0.1, warm_up=10, n_vectors=12, save_every=0.3, look_every=0.4, **RATES
)


@pytest.fixture(scope="module")
def trained(passages, body, tmp_path_factory):
    """A run of one minute on a clock on which a step takes half a second, and the folder it wrote to."""
    threads = torch.get_num_threads()
    folder = tmp_path_factory.mktemp("run")
    ticks = count()
    model = train.train(passages, body, folder, PLAN, clock=lambda: next(ticks) / 2)
    torch.set_num_threads(threads)
    return model, folder


def test_training_learns_the_language(trained, passages, body):
    model, folder = trained
    unigram = torch.from_numpy(np.bincount(passages.ids, minlength=batches.VOCABULARY).astype(np.float32))
    before = evaluate.masked_accuracy(network.begin(body, unigram), passages, 1, 200)
    after = evaluate.masked_accuracy(model, passages, 1, 200)
    smoothed = 12 * (1 + 0.1 * batches.VOCABULARY / len(passages.ids))
    assert before["perplexity"] == pytest.approx(smoothed, rel=0.2), "it begins with how frequent each word is"
    assert after["perplexity"] < 2
    assert after["top1"] > 0.8 > 0.3 > before["top1"]
    assert after["top5"] >= after["top1"]
    looks = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    assert len(looks) == 3
    assert looks[-1]["step"] == 120
    assert looks[-1]["minutes"] == 1
    assert looks[-1]["held_out"]["perplexity"] < looks[0]["held_out"]["perplexity"]


def test_only_frequent_pieces_get_other_vectors(trained, body):
    model, _ = trained
    base = masked.body(body)["bert.embeddings.word_embeddings.weight"]
    changed = (model.bert.embeddings.word_embeddings.weight != base).any(1).nonzero().flatten().tolist()
    assert set(WORDS.tolist()) <= set(changed) <= {*WORDS.tolist(), batches.CLS, batches.SEP, batches.MASK}


def test_a_run_goes_on_from_its_checkpoint(trained, passages, body, tmp_path):
    _, folder = trained
    (tmp_path / "checkpoint.pt").write_bytes((folder / "checkpoint.pt").read_bytes())
    ticks = count()
    threads = torch.get_num_threads()
    longer = train.replace(PLAN, minutes=1.1)
    model = train.train(passages, body, tmp_path, longer, resume=True, clock=lambda: next(ticks) / 2)
    torch.set_num_threads(threads)
    held = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert held["step"] == 132
    assert evaluate.masked_accuracy(model, passages, 1, 200)["perplexity"] < 2


def test_a_pass_shows_a_text_as_often_as_it_is_told(passages):
    shown = train.showing(passages, ["two=3"])
    assert shown.repeat == (1.0, 3.0) and passages.repeat == (1.0, 0.5)
    with pytest.raises(ValueError, match="three"):
        train.showing(passages, ["three=1"])


def test_a_run_goes_on_from_published_weights(trained, passages, body, tmp_path):
    model, _ = trained
    files = [tmp_path / "a.safetensors", tmp_path / "b.safetensors"]
    told = {"steps": "120", "tokens": "30720", "minutes": "1.0", "head_rate": "0.01"}
    pack.pack(body, model.state_dict(), files, told)
    held = unpack.unpack(body, files)
    assert (held["step"], held["n_seen"], held["spent"], held["plan"]["head_rate"]) == (120, 30720, 60, "0.01")
    assert all(torch.allclose(held["model"][name], weight, atol=0.02) for name, weight in model.state_dict().items())
    torch.save(held, tmp_path / "checkpoint.pt")
    ticks = count()
    threads = torch.get_num_threads()
    longer = train.replace(PLAN, minutes=1.1)
    train.train(passages, body, tmp_path, longer, resume=True, clock=lambda: next(ticks) / 2)
    torch.set_num_threads(threads)
    again = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert (again["step"], again["body_step"]) == (132, 12), "the optimizer is new and warms up"
    assert again["optimizer"]["state"]
    with pytest.raises(SystemExit):
        unpack.main([str(tmp_path)])  # one's own training is not replaced
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["step"] == 132


def test_what_is_packed_gives_the_trained_model_again(trained, passages, body, tmp_path):
    model, _ = trained
    files = (tmp_path / "a.safetensors", tmp_path / "b.safetensors")
    pack.pack(body, model.state_dict(), files)
    assert max(file.stat().st_size for file in files) < 300_000, "the base's 4 MB do not travel along"
    (tmp_path / "made").mkdir()
    masked.build(body, files, tmp_path / "made")
    again = BertForMaskedLM.from_pretrained(tmp_path / "made").eval()
    direct = BertForMaskedLM(again.config).eval()
    direct.load_state_dict(masked.weights(body, files), strict=False)
    batch = batches.masked(passages, np.arange(30), np.random.default_rng(0), 0.2, disguise=False)
    with torch.inference_mode():
        logits = network.answers(again, batch)
        assert torch.equal(logits, network.answers(direct, batch))
        whole = again(batch.ids, attention_mask=batch.attended.long()).logits[batch.masked]
        assert torch.allclose(logits, whole, atol=1e-4)
        assert (logits - network.answers(model, batch)).abs().max() < 0.2
    exact, packed = (evaluate.masked_accuracy(one, passages, 1, 200) for one in (model, again))
    assert packed["perplexity"] == pytest.approx(exact["perplexity"], rel=0.02)


def test_a_mean_of_checkpoints_keeps_what_was_not_trained_to_the_last_bit(tmp_path):
    torch.manual_seed(0)
    fixed = torch.randn(50, 7)
    parts = [{"weight": torch.randn(3, 4), "fixed": fixed.clone(), "ids": torch.arange(3)} for _ in range(3)]
    for n, part in enumerate(parts):
        torch.save({"model": part, "step": n}, tmp_path / f"{n}.pt")
    average.main([str(tmp_path), *(f"{tmp_path}/{n}.pt:{share}" for n, share in enumerate((0.2, 0.3, 0.5)))])
    held = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert held["step"] == 2
    assert torch.equal(held["model"]["fixed"], fixed)
    expected = sum(share * part["weight"].double() for share, part in zip((0.2, 0.3, 0.5), parts, strict=True))
    assert torch.allclose(held["model"]["weight"].double(), expected, atol=1e-6)
    with pytest.raises(ValueError, match="add up to"):
        average.average(parts, (0.2, 0.3, 0.4))
    with pytest.raises(ValueError, match="different models"):
        average.average([{"other": fixed}, parts[0]], (0.5, 0.5))


def test_the_schedule_ends_at_zero():
    plan = train.Plan()
    assert train.rates(plan, 0.0, 0, 0)[1:] == (0, 0), "the head alone at first"
    head, body, vectors = train.rates(plan, 0.5, 10_000, 10_000)
    assert (head, body, vectors) == pytest.approx((1e-3, 5e-4, 2e-4))
    assert train.rates(plan, 1.0, 10_000, 10_000) == (0, 0, 0)


def test_masking_asks_what_it_says(passages):
    everything = np.arange(400)
    batch = batches.masked(passages, everything, np.random.default_rng(0), 0.15, disguise=True)
    words = batch.attended.clone()
    words[:, 0] = False
    words[torch.arange(400), batch.attended.sum(1) - 1] = False
    assert not (batch.masked & ~words).any()
    assert batch.masked.any(1).all(), "no passage goes unasked"
    assert float(batch.masked.sum() / words.sum()) == pytest.approx(0.16, abs=0.02)
    shown = batch.ids[batch.masked]
    assert float((shown == batches.MASK).float().mean()) == pytest.approx(0.8, abs=0.04)
    assert float((shown == batch.answers).float().mean()) == pytest.approx(0.1, abs=0.04)
    original = np.concatenate([passages.ids[a:b] for a, b in zip(passages.starts, passages.starts[1:], strict=False)])
    restored = batch.ids.clone()
    restored[batch.masked] = batch.answers
    assert np.array_equal(restored[words].numpy(), original)
    plain = batches.masked(passages, everything, np.random.default_rng(0), 0.15, disguise=False)
    assert (plain.ids[plain.masked] == batches.MASK).all()


def test_a_pass_shows_each_source_as_often_as_asked(passages):
    shown = np.concatenate(list(batches.one_pass(passages, np.random.default_rng(0), 256)))
    assert (passages.split[shown] == 0).all()
    for source, repeat in enumerate(passages.repeat):
        there = ((passages.source == source) & (passages.split == 0)).sum()
        assert (passages.source[shown] == source).sum() == round(there * repeat)


def test_passages_survive_saving(passages, tmp_path):
    passages.save(tmp_path / "passages.npz")
    again = Passages.load(tmp_path / "passages.npz")
    assert again.names == passages.names
    assert again.repeat == passages.repeat
    assert all(np.array_equal(getattr(again, name), getattr(passages, name)) for name in ("ids", "starts", "split"))


# Text


def test_sentences_are_cut_and_those_that_are_no_prose_left_out():
    text = (
        'Mr. Smith met Dr. J. Jones on Monday. "Is it very far from here?" See www.example.org! Go! i am off. 1 2 3 4'
    )
    assert clean.sentences(text) == [
        "Mr. Smith met Dr. J. Jones on Monday.",
        '"Is it very far from here?"',
        "i am off.",
    ]
    assert clean.sentences("Write to me@example.org today. Это не по-английски. Too short.") == []


def test_passages_are_no_longer_than_they_may_be():
    sentence = list(range(20))
    found = list(clean.passages([[sentence] * 4, [list(range(70))], [sentence], [sentence]], longest=62))
    assert [len(passage) for passage in found] == [60, 20, 20, 20]
    assert [len(passage) for passage in clean.passages([[sentence], [[1] * 8], [sentence]], longest=62)] == [48]


def test_readers_read_their_formats(tmp_path):
    (tmp_path / "dataset.json").write_text(
        json.dumps({"a": {"messages": [[{"text": "Hi there"}, {"text": "How are you?"}], [{"text": "fine"}]] * 2}})
    )
    assert list(readers.chat(tmp_path)) == [("a", ["Hi there. How are you?", "fine."] * 2)]

    entry = '00001740 29 v 01 breathe 0 000 | draw air into (the lungs); "I can breathe better when the air is clean"'
    for kind in ("verb", "adj", "adv", "noun"):
        (tmp_path / f"data.{kind}").write_text("  1 a line of the licence\n" + entry + "\n" if kind == "verb" else "")
    assert list(readers.wordnet(tmp_path)) == [("verb 00001740", ["I can breathe better when the air is clean."])]

    game = tmp_path / "usr/share/games/endless-sky/data"
    game.mkdir(parents=True)
    (game / "a.txt").write_text('mission X\n\tconversation\n\t\t`You land on <planet>.`\n\t\t\t`\t"Yes," he says.`\n')
    assert list(readers.stories(tmp_path)) == [("a 0", ["You land on the planet.", '"Yes," he says.'])]

    wiki = (
        "{{Infobox|{{nested}}}}'''Rome''' is a [[city]] in [[Italy|the south]].<ref>a</ref>\n* list\n== See also ==\nm"
    )
    assert readers._wiki_paragraphs(wiki) == ["Rome is a city in the south."]

    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "movieReviewSnippets_GroundTruth.txt").write_text("1\t2.0\tA fine film.\n2\t1.0\tA fine film.\n")
    (tmp_path / "x" / "nytEditorialSnippets_GroundTruth.txt").write_text("1\t2.0\tTo the editor.\n")
    with tarfile.open(tmp_path / "hutto_ICWSM_2014.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "x", "x")
    assert list(readers.snippets(tmp_path)) == [("film reviews", ["A fine film."]), ("editorials", ["To the editor."])]

    with pytest.raises(FileNotFoundError, match="another version"):
        next(readers.recipes(tmp_path))


def test_what_a_model_wrote_is_read_without_headings_and_its_broken_end(tmp_path):
    written = "# Title\n\nIt rains. The cat sleeps.\n\n1. A list\nThe dog sleeps too. And then the"
    (tmp_path / "samples").mkdir()
    (tmp_path / "samples" / "0.jsonl").write_text(json.dumps({"asked": "Write.", "text": written}) + "\n")
    source = next(source for source in SOURCES if source.registry == "written")
    folder = gather.fetch(source, tmp_path / "packages")
    assert list(source.read(folder)) == [("0.jsonl 0", ["It rains. The cat sleeps.", "The dog sleeps too."])]


def test_without_samples_it_says_what_to_run(tmp_path):
    source = next(source for source in SOURCES if source.registry == "written")
    with pytest.raises(FileNotFoundError, match=r"masked_starter\.sample"):
        gather.fetch(source, tmp_path / "packages")


def test_requests_for_samples_leave_the_kinds_of_the_evaluation_out():
    asked = sample.requests(0)
    assert asked == sample.requests(0) != sample.requests(1)
    assert sorted(asked) == sorted(sample.requests(1))
    assert len(set(asked)) == len(sample.SHAPES) * len(sample.SUBJECTS)
    assert not [ask for ask in asked if "review" in ask or "editorial" in ask]


def test_samples_are_written_by_the_model_and_gone_on_with(tmp_path, monkeypatch):
    model = tiny.save(tmp_path / "model", "llama")
    monkeypatch.setattr(gather, "starter_folder", lambda name: model)
    threads = torch.get_num_threads()
    monkeypatch.setattr(sample, "BATCH", 2)
    ticks = count()
    monkeypatch.setattr(sample.time, "monotonic", lambda: next(ticks))
    n = sample.write(tmp_path, minutes=3 / 60, longest=4)
    more = sample.write(tmp_path, minutes=3 / 60, longest=4)
    torch.set_num_threads(threads)
    lines = [json.loads(line) for line in (tmp_path / "0.jsonl").read_text().splitlines()]
    assert 0 < n < more == len(lines)
    assert [line["asked"] for line in lines] == sample.requests(0)[:more]


def test_held_out_is_about_one_document_in_33_and_always_the_same():
    names = [f"document {n}" for n in range(3300)]
    assert 70 < sum(map(gather.held_out, names)) < 130
    assert gather.held_out("document 12") == gather.held_out("document 12")


def test_a_difference_of_nothing_is_nothing():
    base = {"a": torch.randn(4, 3), "v": torch.randn(3)}
    packed = difference.pack(base, base)
    assert set(packed) == {"v"}
    assert all(torch.equal(base[name], weight) for name, weight in difference.unpack(base, packed).items())
