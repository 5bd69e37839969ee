"""Endpoints that look inside: the logit lens, patching, ablation, steering, single neurons.

Arrays come as nested lists with their axes named, like {"axes": ["layer", "position"], "values": [[...]]}.
"""

from contextlib import closing

import gradio as gr

from playground.errors import PlaygroundError
from playground.models.cache import ModelCache
from playground.settings import Settings
from playground.tabs.kit import model_work, user_errors


def add(models: ModelCache, settings: Settings) -> None:
    """Declares the endpoints; call it inside `gr.Blocks`."""

    def logit_lens(text: str, model: str = settings.default_models[0], k: int = 5, follow: str = "") -> dict:
        """What the model would say at each position if it stopped after each layer.

        Args:
            text: what to read.
            model: a reference from /models, or any hub id that the operator allows.
            k: tokens listed for each layer and position.
            follow: a word of one token whose rank and probability are wanted everywhere, like "Paris"; none: the
                model's answer.

        Returns:
            tokens and positions of the text; layers; arrays top_ids, top_texts and top_probabilities (layer, position,
            rank), entropy, divergence from the last layer (nats), token_rank and token_probability (layer, position);
            predicts ("next" or "same" token); deviation of the last row from the model's own logits; model, revision,
            dtype.
        """
        with user_errors():
            from playground.labs.internals import lens as lab

            _check_texts(text=text, follow=follow)
            with models.lease(model) as engine:
                seen = lab.lens(engine, text, k, follow)
            cell, grid = ("layer", "position", "rank"), ("layer", "position")
            return {
                "tokens": list(seen.labels),
                "positions": seen.positions.tolist(),
                "layers": list(seen.layers),
                "predicts": seen.predicts,
                "top_ids": _array(cell, seen.top_ids),
                "top_texts": {"axes": list(cell), "values": [[list(c) for c in row] for row in seen.top_texts]},
                "top_probabilities": _array(cell, seen.top_probabilities),
                "entropy": _array(grid, seen.entropies),
                "divergence": _array(grid, seen.divergences),
                "token": seen.token_text,
                "token_rank": _array(grid, seen.token_ranks),
                "token_probability": _array(grid, seen.token_probabilities),
                "deviation": seen.deviation,
            } | _source(seen.provenance)

    def patch(
        clean: str,
        corrupted: str,
        answer: str,
        wrong_answer: str,
        model: str = settings.default_models[0],
        site: str = "residual",
        direction: str = "denoising",
        control: bool = True,
    ) -> dict:
        """Activation patching: where in the model the difference between two texts is carried.

        Args:
            clean: a text that asks for `answer`.
            corrupted: one with equally many tokens that asks for `wrong_answer`.
            answer: one token, like "Paris".
            wrong_answer: one token, like "Rome".
            model: a reference from /models, or any hub id that the operator allows.
            site: "residual", "attention", "mlp" or "head".
            direction: "denoising" puts clean activations into the corrupted run, "noising" the other way round.
            control: also patch from wrong positions, to see what any patch does.

        Returns:
            layers; columns (tokens, or heads); arrays effect and control (layer, column) with 0 for no effect and 1 for
            the other text's answer; control is null before the first token that differs, where a patch changes nothing;
            whole_layer (layer); clean_difference and corrupted_difference in logits;
            control_level, within which 95 % of the controls stay; model, revision, dtype.
        """
        with user_errors():
            from playground.labs.internals import contrasts
            from playground.labs.internals import patching as lab

            _check_texts(clean=clean, corrupted=corrupted, answer=answer, wrong_answer=wrong_answer)
            with models.lease(model) as engine:
                two = contrasts.contrast(engine, clean, corrupted, answer, wrong_answer)
                found = lab.patch(engine, two, site, direction, control)
            axes = ("layer", "head" if site == "head" else "position")
            return {
                "layers": found.layers.tolist(),
                "columns": list(found.columns),
                "corrupted_tokens": list(two.corrupted_labels),
                "differing_positions": list(two.differing),
                "effect": _array(axes, found.effects),
                "control": None if found.control is None else _array(axes, found.control),
                "control_level": found.control_level,
                "whole_layer": _array(("layer",), found.whole),
                "clean_difference": found.clean_difference,
                "corrupted_difference": found.corrupted_difference,
                "answer": two.answer_text,
                "wrong_answer": two.wrong_text,
            } | _source(found.provenance)

    def ablate(
        text: str, targets: str, model: str = settings.default_models[0], how: str = "zero", k: int = 10, seed: int = 0
    ) -> dict:
        """What comes next after a text, with and without some heads, neurons or layers.

        Args:
            text: what to read.
            targets: what to take out, like "head 5.3, neuron 6.100, mlp 4, layer 2".
            model: a reference from /models, or any hub id that the operator allows.
            how: "zero", "mean" (over other texts) or "resample" (from other texts).
            k: tokens listed, the most probable before and after.
            seed: draws what is resampled.

        Returns:
            tokens, a list of objects with id, text, before and after (probabilities); divergence (position), in nats;
            what; how; position of the prediction; model, revision, dtype.
        """
        with user_errors():
            from playground.labs.internals import ablation as lab

            _check_texts(text=text, targets=targets)
            _check_whole(seed=seed)
            taken_out = lab.parse(targets)
            with models.lease(model) as engine:
                return _change(lab.ablate(engine, text, taken_out, how, k, seed=seed))

    def steer(
        text: str,
        positive: list[str],
        negative: list[str],
        layer: int,
        strength: float = 1.0,
        model: str = settings.default_models[0],
        max_new_tokens: int = 40,
        temperature: float = 0.0,
        seed: int = 0,
    ) -> dict:
        """Continues a text with and without a direction added, found between two sets of prompts; streamed.

        Args:
            text: what to continue, as plain text.
            positive: prompts that the text shall become more like.
            negative: prompts that it shall become less like.
            layer: after which the direction is found and added, from 0.
            strength: how many times it is added; 0 changes nothing, below 0 turns it round.
            model: a reference from /models, or any hub id that the operator allows.
            max_new_tokens: most tokens to write.
            temperature: 0 always takes the most probable token.
            seed: both texts are drawn with it.

        Returns:
            original and steered (the continuations so far); done; direction_norm and residual_norm, which says how
            large the direction is beside what it is added to; separation of the prompts; model, revision, dtype.
        """
        with user_errors():
            from playground.engine.sampling import Sampling
            from playground.labs.internals import edited
            from playground.labs.internals import steering as lab

            _check_texts(text=text)
            _check_whole(layer=layer)
            with models.lease(model) as engine:
                ids = engine.encode(text)
                found = lab.direction(engine, _texts(positive, "positive"), _texts(negative, "negative"), layer)
                sampling = Sampling(max_new_tokens=max_new_tokens, temperature=temperature, seed=seed)
                with closing(edited.side_by_side(engine, ids, sampling, lab.tap(engine, found, strength))) as pairs:
                    for pair in pairs:
                        yield _steered(pair, found)

    def neuron(
        text: str,
        layer: int,
        index: int,
        model: str = settings.default_models[0],
        kind: str = "neuron",
        examples: int = 0,
    ) -> dict:
        """How active one neuron is at each token of a text, and where in the shipped sentences it is most active.

        Args:
            text: what to read.
            layer: from 0.
            index: the neuron's number in the layer, from 0.
            model: a reference from /models, or any hub id that the operator allows.
            kind: "neuron" of an MLP, or "dimension" of the residual after the layer.
            examples: how many of the most active tokens to list; 0 leaves them out.

        Returns:
            tokens; activation (position); most_active, a list of objects with value, before, token and after; model,
            revision, dtype.
        """
        with user_errors():
            from playground.labs.internals import neurons as lab

            _check_texts(text=text, kind=kind)
            _check_whole(layer=layer, index=index)
            unit = lab.Unit(kind, layer, index)
            with models.lease(model) as engine:
                seen = lab.activations(engine, text, unit)
                found = lab.most_active(engine, unit, n=examples).top if examples else ()
            return {
                "tokens": list(seen.labels),
                "activation": _array(("position",), seen.values),
                "most_active": [
                    {"value": a.value, "before": list(a.before), "token": a.label, "after": list(a.after)}
                    for a in found
                ],
            } | _source(seen.provenance)

    gr.api(logit_lens, api_name="logit_lens", **model_work(settings))
    gr.api(patch, api_name="patch", **model_work(settings))
    gr.api(ablate, api_name="ablate", **model_work(settings))
    gr.api(steer, api_name="steer", **model_work(settings))
    gr.api(neuron, api_name="neuron", **model_work(settings))


def _array(axes: tuple[str, ...], values) -> dict:
    """A NumPy array as JSON: nested lists, and what each level counts. What was not computed is null."""
    import numpy as np

    plain = values.tolist() if np.isfinite(values).all() else np.where(np.isfinite(values), values, None).tolist()
    return {"axes": list(axes), "values": plain}


def _change(found) -> dict:
    rows = zip(found.ids.tolist(), found.texts, found.before.tolist(), found.after.tolist(), strict=True)
    return {
        "tokens": [dict(id=i, text=text, before=before, after=after) for i, text, before, after in rows],
        "divergence": _array(("position",), found.divergences),
        "labels": list(found.labels),
        "position": found.position,
        "what": list(found.what),
        "how": found.how,
    } | _source(found.provenance)


def _steered(pair, found) -> dict:
    both = (pair.original, pair.edited)
    return {
        "original": pair.original.text if pair.original else "",
        "steered": pair.edited.text if pair.edited else "",
        "done": all(reply and reply.stop_reason for reply in both),
        "direction_norm": found.norm,
        "residual_norm": found.residual_norm,
        "separation": found.separation,
    } | _source(found.provenance)


def _source(provenance) -> dict:
    return {"model": provenance.reference, "revision": provenance.revision, "dtype": provenance.dtype}


def _check_texts(**arguments: object) -> None:
    """Raises PlaygroundError when one is no text."""
    for name, value in arguments.items():
        if not isinstance(value, str):
            raise PlaygroundError(f"{name} is {value!r}; it must be a text.")


def _check_whole(**arguments: object) -> None:
    """Raises PlaygroundError when one is no whole number from 0 that a seed or a place can be."""
    for name, value in arguments.items():
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**32:
            raise PlaygroundError(f"{name} is {value!r}; it must be a whole number from 0.")


def _texts(value: object, name: str) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise PlaygroundError(f'{name} must be a list of texts, like ["I love this!", "Great work!"].')
    return value
