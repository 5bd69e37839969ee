"""Endpoints that look at attention: maps, heads by what they do, from word to word, and what speaks for an answer.

Answers are cut to what JSON can carry; what is larger is refused with what would fit.
"""

from dataclasses import asdict

import gradio as gr

from playground.errors import PlaygroundError
from playground.models.cache import ModelCache
from playground.settings import Settings
from playground.tabs.kit import model_work, user_errors

MOST_NUMBERS = 1_000_000  # of one answer: about 10 MB of JSON
AGGREGATES = ("none", "heads", "layers", "both", "rollout")


def add(models: ModelCache, settings: Settings) -> None:
    """Declares the endpoints; call it inside `gr.Blocks`."""
    first = settings.default_models[0]

    def attention(
        text: str,
        model: str = first,
        text_pair: str = "",
        layers: list[int] | None = None,
        heads: list[int] | None = None,
        aggregate: str = "none",
        words: bool = False,
        hide: str = "",
        stack: str = "",
        kind: str = "self",
        complete: bool = False,
    ) -> dict:
        """Attention maps of a text: which token looks at which, layer by layer and head by head.

        Args:
            text: what to read.
            model: a reference from /models, or any hub id that the operator allows.
            text_pair: the second of two sentences for models that read both ways; for an encoder-decoder the text
                that it shall write, which it writes itself if this is empty.
            layers: numbers from 0; none for all.
            heads: numbers from 0; none for all.
            aggregate: "none", "heads" (mean over heads), "layers" (mean over layers), "both", or "rollout" (Abnar and
                Zuidema 2020).
            words: join tokens into words: summed over the word looked at, averaged over the word that looks.
            hide: "special" or "first" to leave out special tokens or the first one, with rows scaled back to 1; before
                tokens are joined into words.
            stack: "encoder" or "decoder"; empty for the one there is.
            kind: "self", or "cross" for an encoder-decoder.
            complete: special tokens are in the text already.

        Returns:
            tokens: labels of what is looked at; weights: (layer, head, query, key), five decimals; queries and keys:
            objects with id (null for words), label, special, segment and word, the same but for "cross"; layers and
            heads: the numbers of the first two axes, null where they were averaged; remarks: what was done; stack,
            kind, causal, model, revision, dtype, seconds.
        """
        with user_errors():
            from playground.labs.attention import maps as lab
            from playground.labs.attention import views

            if aggregate not in AGGREGATES:
                raise PlaygroundError(f"aggregate is {aggregate!r}. Choose one of: {', '.join(AGGREGATES)}.")
            whole = aggregate == "none" and not words and not hide  # what is made smaller is looked at afterwards
            early = {"check": _check_size} if whole else {}
            with models.lease(model) as engine:
                seen = lab.attention(engine, text, text_pair, stack or None, kind, layers, heads, complete, **early)
            seen = views.rollout(seen) if aggregate == "rollout" else seen
            seen = views.mean_over_heads(seen) if aggregate in ("heads", "both") else seen
            seen = views.mean_over_layers(seen) if aggregate in ("layers", "both") else seen
            seen = views.without(seen, hide) if hide else seen
            seen = views.words(seen) if words else seen
            _check_size(seen.weights.shape)
            return {
                "tokens": list(seen.keys.labels),
                "weights": seen.weights.astype(float).round(5).tolist(),
                "queries": _tokens(seen.queries),
                "keys": _tokens(seen.keys),
                "layers": list(seen.layers) or None,
                "heads": list(seen.heads) or None,
                "stack": seen.stack,
                "kind": seen.kind,
                "causal": seen.causal,
                "remarks": list(seen.remarks),
            } | _origin(seen.provenance)

    def attention_heads(text: str, model: str = first, text_pair: str = "", stack: str = "", top: int = 3) -> dict:
        """Every head scored by what it does: previous token, first token, induction and others, and which stand out.

        Args:
            text: what to read.
            model: a reference from /models, or any hub id that the operator allows.
            text_pair: the second of two sentences for models that read both ways.
            stack: "encoder" or "decoder"; empty for the one there is.
            top: how many heads to name for each pattern.

        Returns:
            patterns: objects with name, sentence, formula, source, scores (layer, head), mean (over heads), even
            (what a head scores that spreads evenly), counted (tokens); entropy (nats) and distance (tokens): (layer,
            head), even_entropy and even_distance; interesting: heads that stand out, with pattern, layer, head,
            score, mean, even and deviations (standard deviations above the mean); left_out: patterns that do not
            apply, and why; layers, heads, seed, model, revision, dtype, seconds.
        """
        with user_errors():
            from playground.labs.attention import heads as lab

            if not isinstance(top, int) or isinstance(top, bool) or not 1 <= top <= 100:
                raise PlaygroundError(f"top is {top!r}; it must be a whole number from 1 to 100.")
            with models.lease(model) as engine:
                found = lab.heads(engine, text, text_pair, stack or None)
            _check_size(found.scores.shape)
            columns = (found.patterns, found.scores, found.mean, found.even, found.counted)
            return {
                "patterns": [
                    {
                        "name": pattern.name,
                        "sentence": pattern.sentence,
                        "formula": pattern.formula,
                        "source": pattern.source,
                        "scores": scores.round(5).tolist(),
                        "mean": float(mean),
                        "even": float(even),
                        "counted": int(counted),
                    }
                    for pattern, scores, mean, even, counted in zip(*columns, strict=True)
                ],
                "entropy": found.summary.entropy.round(5).tolist(),
                "distance": found.summary.distance.round(5).tolist(),
                "even_entropy": found.summary.even_entropy,
                "even_distance": found.summary.even_distance,
                "interesting": [asdict(ranked) for ranked in lab.interesting(found, top)],
                "left_out": dict(found.left_out),
                "layers": list(found.layers),
                "heads": list(found.heads),
                "seed": found.seed,
            } | _origin(found.provenance)

    def attention_pairs(
        text: str,
        model: str = first,
        source: str = "",
        target: str = "",
        threshold: float = 0.3,
        text_pair: str = "",
        source_occurrence: int = 1,
        target_occurrence: int = 1,
        kind: str = "self",
    ) -> dict:
        """How much each head lets one word look at another: in "... the mat because it was ...", from "it" to "mat".

        Args:
            text: what to read.
            model: a reference from /models, or any hub id that the operator allows.
            source: the word that looks.
            target: the word that is looked at. A model that reads left to right looks back only.
            threshold: heads with more weight than this are listed.
            text_pair: the second of two sentences, or what an encoder-decoder shall write.
            source_occurrence: which of several such words, counted from 1.
            target_occurrence: which of several such words, counted from 1.
            kind: "self", or "cross" for an encoder-decoder: from what is written to what was read.

        Returns:
            over: heads above the threshold, most first, with layer, head and weight; best: the ten heads with most;
            weights: (layer, head); layers, heads; even: what a head gives that spreads evenly; source and target:
            text, occurrence, of, tokens; remarks, model, revision, dtype, seconds.
        """
        with user_errors():
            from playground.labs.attention import pairs as lab

            with models.lease(model) as engine:
                seen = lab.pair(
                    engine,
                    text,
                    source,
                    target,
                    threshold,
                    text_pair,
                    kind=kind,
                    source_occurrence=source_occurrence,
                    target_occurrence=target_occurrence,
                )
            return {
                "over": [asdict(link) for link in seen.over],
                "best": [asdict(link) for link in seen.ranked[:10]],
                "weights": seen.weights.astype(float).round(5).tolist(),
                "layers": list(seen.layers),
                "heads": list(seen.heads),
                "threshold": seen.threshold,
                "even": seen.even,
                "source": asdict(seen.source),
                "target": asdict(seen.target),
                "remarks": list(seen.remarks),
            } | _origin(seen.provenance)

    def attribution(
        text: str,
        model: str = first,
        target: str | None = None,
        method: str = "integrated gradients",
        against: str | None = None,
        text_pair: str = "",
        mask: int = 1,
        neutral: str = "token",
        complete: bool = False,
    ) -> dict:
        """Which tokens speak for an answer: the next token, the token behind a mask, or a class.

        Args:
            text: what to read.
            model: a reference from /models, or any hub id that the operator allows.
            target: the token or class asked about; none for the most probable one.
            method: "integrated gradients", "gradient x input" or "leave one out".
            against: a second answer: then the scores are about the difference of the two logits.
            text_pair: the second of two sentences for models that read both ways.
            mask: which masked token, counted from 1.
            neutral: where integrated gradients begin: "token" (a mask or a space in place of each token, but of the
                first in models that read left to right), "all" (the first too) or "zero" (vectors of zeros).
            complete: special tokens are in the text already.

        Returns:
            tokens: objects with id, label, special, word, score (logits) and attention (what the place of the answer
            gives to it, mean over all heads; null without attention); words: objects with label and score; answer,
            against and choices: id, label, probability, logit; value and neutral_value: what was explained, in
            logits; error: how far the scores miss their difference, complete: whether within 1 %, steps (all for
            integrated gradients alone); method, neutral, precision, remarks, model, revision, dtype, seconds.
        """
        with user_errors():
            from playground.labs.attention import attribution as lab

            with models.lease(model) as engine:
                seen = lab.attribute(engine, text, method, target, against, text_pair, complete, mask, neutral)
            paid = [None] * len(seen.scores) if seen.attention is None else seen.attention.astype(float).tolist()
            scored = zip(_tokens(seen.reading), seen.scores.tolist(), paid, strict=True)
            words = zip(seen.words, seen.word_scores.tolist(), strict=True)
            return {
                "tokens": [token | {"score": score, "attention": given} for token, score, given in scored],
                "words": [{"label": label, "score": score} for label, score in words],
                "answer": asdict(seen.answer),
                "against": asdict(seen.against) if seen.against else None,
                "choices": [asdict(choice) for choice in seen.choices],
                "value": seen.value,
                "neutral_value": seen.neutral_value,
                "error": seen.error,
                "complete": seen.complete,
                "steps": seen.steps,
                "method": seen.method,
                "neutral": seen.neutral,
                "precision": seen.precision,
                "remarks": list(seen.remarks),
            } | _origin(seen.provenance)

    gr.api(attention, api_name="attention", **model_work(settings))
    gr.api(attention_heads, api_name="attention_heads", **model_work(settings))
    gr.api(attention_pairs, api_name="attention_pairs", **model_work(settings))
    gr.api(attribution, api_name="attribution", **model_work(settings))


def _tokens(reading) -> list[dict]:
    """One object a token, or a word where tokens were joined."""
    ids = reading.ids or [None] * len(reading)
    columns = (ids, reading.labels, reading.special.tolist(), reading.segment.tolist(), reading.words.tolist())
    names = ("id", "label", "special", "segment", "word")
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def _origin(provenance) -> dict:
    return {
        "model": provenance.reference,
        "revision": provenance.revision,
        "dtype": provenance.dtype,
        "seconds": provenance.seconds,
    }


def _check_size(shape: tuple[int, ...]) -> None:
    n = 1
    for length in shape:
        n *= length
    if n > MOST_NUMBERS:
        sizes = " × ".join(f"{length:,}" for length in shape)
        raise PlaygroundError(
            f"That answer would have {n:,} numbers ({sizes}); one answer holds at most {MOST_NUMBERS:,}. Ask for fewer "
            "layers or heads, a mean over them, or a shorter text."
        )
