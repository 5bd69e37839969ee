"""The labs as named endpoints: typed, JSON in and out, for `gradio_client` and plain HTTP.

It computes nothing and draws nothing. Results that stream send the whole state each time; the last one is final.
"""

from collections.abc import Iterator
from dataclasses import asdict

import gradio as gr

from playground.models.cache import ModelCache
from playground.models.catalog import catalog
from playground.settings import Settings
from playground.tabs.kit import model_work, user_errors


def add(models: ModelCache, settings: Settings) -> None:
    """Declares the endpoints; call it inside `gr.Blocks`."""

    def list_models() -> list[dict]:
        """Models on offer and models in memory.

        Returns:
            One object a model: reference, title, kind, parameters, licence, state ("absent", "on disk", "fetching",
            "loading", "ready" or "failed"), bytes (in memory; estimated unless ready), device, dtype, and checks
            (name, passed, detail) for loaded ones.
        """
        with user_errors():
            offered = {entry.reference: entry for entry in catalog()}
            held = [holding.reference for holding in models.ledger().holdings]
            rows = []
            for reference in [*offered, *(r for r in held if r not in offered)]:
                entry, status = offered.get(reference), models.status(reference)
                rows.append(
                    {
                        "reference": reference,
                        "title": entry.title if entry else reference,
                        "kind": entry.kind if entry else None,
                        "parameters": entry.parameters if entry else None,
                        "licence": entry.licence if entry else None,
                        "state": status.state,
                        "bytes": status.n_bytes,
                        "device": status.device,
                        "dtype": status.dtype,
                        "checks": [asdict(check) for check in status.checks],
                    }
                )
            return rows

    def chat(
        messages: list[dict],
        model: str = settings.default_models[0],
        max_new_tokens: int = 256,
        temperature: float = 0.7,
        top_p: float = 0.95,
        top_k: int = 50,
        repetition_penalty: float = 1.0,
        system: str = "",
        seed: int | None = None,
    ) -> dict:
        """The model's reply to a conversation, streamed.

        Args:
            messages: objects with "role" ("system", "user" or "assistant") and "content", oldest first.
            model: a reference from /models, or any hub id that the operator allows.
            max_new_tokens: most tokens to write.
            temperature: 0 always takes the most probable token; higher is more varied.
            top_p: smallest set of tokens that holds this share of the probability.
            top_k: only the k most probable tokens; 0 for all.
            repetition_penalty: above 1 makes tokens that have appeared less likely.
            system: instructions for the whole conversation.
            seed: the same seed gives the same text; none draws a fresh one.

        Returns:
            text so far, prompt_tokens, new_tokens, stop_reason (null until the last; then "eos", "length" or
            "stopped"), seconds_to_first_token, tokens_per_second, model, revision, dtype, device, seed.
        """
        with user_errors():
            from playground.labs import chat as lab

            sampling = lab.Sampling(max_new_tokens, temperature, top_p, top_k, repetition_penalty, seed)
            conversation = lab.as_messages(messages)
            with models.lease(model) as engine:
                yield from _plain(lab.reply(engine, conversation, sampling, system))

    def complete(
        text: str,
        model: str = settings.default_models[0],
        max_new_tokens: int = 256,
        temperature: float = 0.7,
        top_p: float = 0.95,
        top_k: int = 50,
        repetition_penalty: float = 1.0,
        seed: int | None = None,
    ) -> dict:
        """Continues a text without a chat template, streamed. For base models; arguments and result as /chat.

        Args:
            text: what to continue.
            model: a reference from /models, or any hub id that the operator allows.
            max_new_tokens: most tokens to write.
            temperature: 0 always takes the most probable token; higher is more varied.
            top_p: smallest set of tokens that holds this share of the probability.
            top_k: only the k most probable tokens; 0 for all.
            repetition_penalty: above 1 makes tokens that have appeared less likely.
            seed: the same seed gives the same text; none draws a fresh one.

        Returns:
            As /chat; text is the continuation alone.
        """
        with user_errors():
            from playground.labs import chat as lab

            sampling = lab.Sampling(max_new_tokens, temperature, top_p, top_k, repetition_penalty, seed)
            with models.lease(model) as engine:
                yield from _plain(lab.complete(engine, text, sampling))

    gr.api(list_models, api_name="models")
    gr.api(chat, api_name="chat", **model_work(settings))
    gr.api(complete, api_name="complete", **model_work(settings))


def _plain(replies: Iterator) -> Iterator[dict]:
    """Replies as JSON values; closing it closes them, which ends the computation."""
    try:
        for reply in replies:
            yield {
                "text": reply.text,
                "prompt_tokens": reply.prompt_tokens,
                "new_tokens": reply.new_tokens,
                "stop_reason": reply.stop_reason,
                "seconds_to_first_token": reply.seconds_to_first_token,
                "tokens_per_second": reply.tokens_per_second,
                "model": reply.provenance.reference,
                "revision": reply.provenance.revision,
                "dtype": reply.provenance.dtype,
                "device": reply.provenance.device,
                "seed": reply.provenance.settings["seed"],
            }
    finally:
        replies.close()
