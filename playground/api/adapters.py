"""Endpoints of adapters: several made into one, and a prompt answered through a mixture."""

import gradio as gr

from playground.errors import PlaygroundError
from playground.models.cache import ModelCache
from playground.settings import Settings
from playground.tabs.kit import model_work, user_errors

MOST = 8  # adapters of one call


def add(models: ModelCache, settings: Settings) -> None:
    """Declares the endpoints; call it inside `gr.Blocks`."""

    def compose_adapters(
        adapters: list[dict],
        method: str = "cat",
        density: float = 0.5,
        rank: int = 0,
        seed: int = 0,
        election: str = "total",
        model: str = settings.default_models[0],
        prompt: str = "",
        max_new_tokens: int = 40,
        save: bool = False,
    ) -> dict:
        """Makes one LoRA adapter of several, says how far it is from their exact sum, and answers a prompt through it.

        Args:
            adapters: objects with name (a shipped adapter like "pirate", a folder, or a hub id) and weight (1).
            method: "cat" (exact), "svd", "linear", "ties", "dare_linear", "dare_ties", "magnitude_prune", or one of the
                last four with "_svd".
            density: share of numbers that ties, dare and magnitude_prune keep, above 0 to 1.
            rank: of the result of svd and ..._svd; 0: the largest of the adapters'.
            seed: of what DARE drops.
            election: "total" or "frequency", how TIES finds the sign.
            model: a reference from /models that the adapters were made for.
            prompt: a message; the model answers it as it is, through the exact sum and through the composed adapter.
            max_new_tokens: of each answer.
            save: keep the composed adapter as a PEFT folder on the server.

        Returns:
            reference: the model with the exact sum in its weights, or with the saved adapter, usable as `model` of
            every endpoint (the sum of shipped adapters needs no saving); folder, when saved; error and error_by_layer
            (distance from the exact sum over its length); rank, n_parameters; answers with as_it_is, sum and composed,
            when there is a prompt; model, revision, dtype.
        """
        with user_errors():
            from playground.labs.adapters import catalogue, composing, files
            from playground.models import sources

            named, weights = _read(adapters)
            loaded = [catalogue.ready(name, settings) for name in named]
            found = composing.compose(loaded, weights, method, density, rank or None, seed, election)
            sources.parse(model)
            answer: dict = {
                "error": found.error,
                "error_by_layer": found.by_layer,
                "rank": found.rank,
                "n_parameters": found.n_parameters,
                "method": found.method,
                "reference": _reference(model, named, weights),
            }
            if save:
                folder = files.keep(found.adapter, model, files.facts(found, model), settings)
                answer |= {"folder": str(folder), "reference": f"{model}+adapter:{folder}"}
            with models.lease(model) as engine:
                answer |= _fitting(engine, loaded, weights, found, prompt, max_new_tokens)
                return answer | {"model": engine.reference, "revision": engine.revision, "dtype": engine.precision}

    gr.api(compose_adapters, api_name="compose_adapters", **model_work(settings))


def _read(adapters: list[dict]) -> tuple[list[str], list[float]]:
    if not isinstance(adapters, list) or not adapters or not all(isinstance(one, dict) for one in adapters):
        raise PlaygroundError('The adapters must be a list of objects, like [{"name": "pirate", "weight": 0.7}].')
    if len(adapters) > MOST:
        raise PlaygroundError(f"There are {len(adapters)} adapters; at most {MOST} can be composed in one call.")
    names = [one.get("name") for one in adapters]
    weights = [one.get("weight", 1.0) for one in adapters]
    if not all(isinstance(name, str) and name.strip() for name in names):
        raise PlaygroundError('Every adapter needs a name, like {"name": "pirate", "weight": 0.7}.')
    if len(set(names)) < len(names):
        raise PlaygroundError("An adapter is there twice. Give it one weight.")
    return names, weights


def _reference(model: str, names: list[str], weights: list[float]) -> str:
    plain, _, precision = model.partition("#")
    text = plain + "".join(
        f"+adapter:{n}" + ("" if w == 1 else f"*{w:g}") for n, w in zip(names, weights, strict=True) if w
    )
    return f"{text}#{precision}" if precision else text


def _fitting(engine, loaded, weights, found, prompt: str, max_new_tokens: int) -> dict:
    """Checks that the adapters fit the model; the answers to a prompt, if there is one."""
    from playground.engine.adapters import Attached
    from playground.engine.sampling import Sampling
    from playground.labs.chat import replies as chat
    from playground.labs.internals import edited

    taps = [None, Attached(engine, loaded, [weights]).tap, Attached(engine, [found.adapter], [[1.0]]).tap]
    if not prompt.strip():
        return {}
    ids = chat.prompt_ids(engine, [{"role": "user", "content": prompt}])
    *_, replies = edited.at_once(engine, ids, Sampling(temperature=0, max_new_tokens=max_new_tokens), taps)
    texts = (reply.text for reply in replies)
    return {"answers": dict(zip(("as_it_is", "sum", "composed"), texts, strict=True))}
