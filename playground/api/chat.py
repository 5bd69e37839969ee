"""Endpoints that write: a reply, a continuation, and what could come next.

What streams sends the whole state each time; the last one is final. Closing the stream ends the computation.
"""

from collections.abc import Iterator

import gradio as gr

from playground.models.cache import ModelCache
from playground.settings import Settings
from playground.tabs.kit import model_work, user_errors


def add(models: ModelCache, settings: Settings) -> None:
    """Declares the endpoints; call it inside `gr.Blocks`."""

    def chat(
        messages: list[dict],
        model: str = settings.default_models[0],
        system: str = "",
        max_new_tokens: int = 256,
        temperature: float = 0.7,
        top_p: float = 0.95,
        top_k: int = 50,
        repetition_penalty: float = 1.0,
        seed: int | None = None,
        min_p: float = 0.0,
        typical_p: float = 1.0,
        no_repeat_ngram: int = 0,
        stop: list[str] | None = None,
        logit_bias: dict[str, float] | None = None,
        beams: int = 1,
        length_penalty: float = 1.0,
        early_stopping: bool = False,
    ) -> dict:
        """The model's reply to a conversation, streamed.

        Args:
            messages: objects with "role" ("system", "user" or "assistant") and "content", oldest first.
            model: a reference from /models, or any hub id that the operator allows.
            system: instructions for the whole conversation.
            max_new_tokens: most tokens to write.
            temperature: 0 always takes the most probable token; higher is more varied.
            top_p: smallest set of tokens that holds this share of the probability.
            top_k: only the k most probable tokens; 0 for all.
            repetition_penalty: above 1 makes tokens that have appeared less likely.
            seed: the same seed gives the same text; none draws a fresh one.
            min_p: only tokens at least this share as probable as the most probable one; 0 for all.
            typical_p: only tokens about as surprising as expected, up to this share of the probability; 1 for all.
            no_repeat_ngram: no run of this many tokens comes twice; 0 lets them.
            stop: texts at which the new text ends; it holds neither them nor what follows.
            logit_bias: words and a number from -100 (never) to 100 (nothing else) that is added to the logits of the
                tokens they can begin with, in the middle of a text and at its start; like {"Paris": -5}.
            beams: 2 to 8 search for the most probable whole text, so many at once, instead of drawing token by token:
                temperature, top_p, top_k, min_p, typical_p and seed have no effect then. What streams is the best so
                far and may change until the last.
            length_penalty: of beams; a text's log-probability is divided by its length to this power, so that more
                favours longer ones.
            early_stopping: of beams; end as soon as so many texts have ended, without looking for better ones.

        Returns:
            text so far, prompt_tokens, new_tokens, stop_reason (null until the last; then "eos", "length", "stopped",
            "stop string", or "cut" when a server elsewhere failed), stop_string (the one that ended it, or null),
            seconds_to_first_token, tokens_per_second, model, revision, dtype, device, seed, and notes (sentences: which
            settings were not used, and what went wrong).
        """
        with user_errors():
            from playground.labs.chat import replies as lab
            from playground.labs.chat import writing

            sampling = lab.Sampling(
                *(max_new_tokens, temperature, top_p, top_k, repetition_penalty, seed, no_repeat_ngram, min_p),
                typical_p=typical_p,
                stop=stop or (),
                word_bias=logit_bias or (),
                beams=beams,
                length_penalty=length_penalty,
                early_stopping=early_stopping,
            )
            conversation = lab.as_messages(messages)
            with models.writer(model) as writer:
                yield from _plain(writing.reply(writer, conversation, sampling, system))

    def complete(
        text: str,
        model: str = settings.default_models[0],
        max_new_tokens: int = 256,
        temperature: float = 0.7,
        top_p: float = 0.95,
        top_k: int = 50,
        repetition_penalty: float = 1.0,
        seed: int | None = None,
        min_p: float = 0.0,
        typical_p: float = 1.0,
        no_repeat_ngram: int = 0,
        stop: list[str] | None = None,
        logit_bias: dict[str, float] | None = None,
        beams: int = 1,
        length_penalty: float = 1.0,
        early_stopping: bool = False,
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
            min_p: only tokens at least this share as probable as the most probable one; 0 for all.
            typical_p: only tokens about as surprising as expected, up to this share of the probability; 1 for all.
            no_repeat_ngram: no run of this many tokens comes twice; 0 lets them.
            stop: texts at which the new text ends; it holds neither them nor what follows.
            logit_bias: words and a number from -100 (never) to 100 (nothing else) that is added to the logits of the
                tokens they can begin with, in the middle of a text and at its start; like {"Paris": -5}.
            beams: 2 to 8 search for the most probable whole text, so many at once, instead of drawing token by token:
                temperature, top_p, top_k, min_p, typical_p and seed have no effect then. What streams is the best so
                far and may change until the last.
            length_penalty: of beams; a text's log-probability is divided by its length to this power, so that more
                favours longer ones.
            early_stopping: of beams; end as soon as so many texts have ended, without looking for better ones.

        Returns:
            As /chat; text is the continuation alone.
        """
        with user_errors():
            from playground.labs.chat import writing

            sampling = writing.Sampling(
                *(max_new_tokens, temperature, top_p, top_k, repetition_penalty, seed, no_repeat_ngram, min_p),
                typical_p=typical_p,
                stop=stop or (),
                word_bias=logit_bias or (),
                beams=beams,
                length_penalty=length_penalty,
                early_stopping=early_stopping,
            )
            with models.writer(model) as writer:
                yield from _plain(writing.complete(writer, text, sampling))

    def next_tokens(
        text: str,
        model: str = settings.default_models[0],
        k: int = 10,
        temperature: float = 1.0,
        top_p: float = 1.0,
        top_k: int = 0,
        repetition_penalty: float = 1.0,
        no_repeat_ngram: int = 0,
        min_p: float = 0.0,
        typical_p: float = 1.0,
        logit_bias: dict[str, float] | None = None,
    ) -> dict:
        """The most probable next tokens after a text, as the model gives them and after each setting.

        Args:
            text: what to read, as plain text.
            model: a reference from /models, or any hub id that the operator allows.
            k: how many tokens to list, the most probable by the model itself first.
            temperature: divides the logits; 0 leaves the most probable token alone.
            top_p: smallest set of tokens that holds this share of the probability.
            top_k: only the k most probable tokens; 0 for all.
            repetition_penalty: above 1 makes tokens that have appeared less likely.
            no_repeat_ngram: no run of this many tokens comes twice; 0 lets them.
            min_p: only tokens at least this share as probable as the most probable one; 0 for all.
            typical_p: only tokens about as surprising as expected, up to this share of the probability; 1 for all.
            logit_bias: words and what is added to the logits of the tokens they can begin with, as in /chat.

        Returns:
            tokens: a list of objects with id, text, and probability by stage ("model", then the settings in use, in
            the order in which they act; 0: cannot be drawn); kept: how many tokens can be drawn at each stage;
            entropy: in nats; prompt_tokens, model, revision, dtype.
        """
        with user_errors():
            from playground.engine.sampling import Sampling
            from playground.labs.chat import next_tokens as lab

            sampling = Sampling(
                temperature=temperature,
                top_p=top_p,
                top_k=top_k,
                repetition_penalty=repetition_penalty,
                no_repeat_ngram=no_repeat_ngram,
                min_p=min_p,
                typical_p=typical_p,
                word_bias=logit_bias or (),
            )
            with models.lease(model) as engine:
                seen = lab.next_tokens(engine, text, sampling, k)
            rows = zip(seen.ids.tolist(), seen.texts, seen.probabilities.T.tolist(), strict=True)
            return {
                "tokens": [
                    {"id": token, "text": shown, "probability": dict(zip(seen.stages, values, strict=True))}
                    for token, shown, values in rows
                ],
                "kept": dict(zip(seen.stages, seen.kept.tolist(), strict=True)),
                "entropy": dict(zip(seen.stages, seen.entropy.tolist(), strict=True)),
                "prompt_tokens": seen.prompt_tokens,
                "model": seen.provenance.reference,
                "revision": seen.provenance.revision,
                "dtype": seen.provenance.dtype,
            }

    gr.api(next_tokens, api_name="next_tokens", **model_work(settings))
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
                "stop_string": reply.stop_string,
                "seconds_to_first_token": reply.seconds_to_first_token,
                "tokens_per_second": reply.tokens_per_second,
                "model": reply.provenance.reference,
                "revision": reply.provenance.revision,
                "dtype": reply.provenance.dtype,
                "device": reply.provenance.device,
                "seed": reply.provenance.settings["seed"],
                "notes": list(reply.notes),
            }
    finally:
        replies.close()
