"""Endpoints that merge: a recipe becomes a model that every other endpoint takes, or a folder on disk."""

import gradio as gr

from playground.models.cache import ModelCache
from playground.settings import Settings
from playground.tabs.kit import model_work, user_errors


def add(models: ModelCache, settings: Settings) -> None:
    """Declares the endpoints; call it inside `gr.Blocks`."""
    made: list = []

    def merges():
        from playground.labs.merging.live import Merges  # late: it imports torch

        if not made:
            made.append(Merges(models))
        return made[0]

    def merge(recipe: str | dict) -> dict:
        """Merges models by a recipe; the result is a model for every other endpoint, in memory alone.

        Args:
            recipe: mergekit's YAML as a text, or the same as JSON. Models are references as everywhere here, such as
                "starter:smollm2-135m-instruct+adapter:pirate". What mergekit has no word for may stand under
                "playground": dialect ("mergekit", "paper" or "peft"), seed, election ("sum" or "count").

        Returns:
            model: the reference; method; sources; recipe as JSON; bytes held; seconds; revision. It stays until the
            room is needed, and is made again when it is asked for.
        """
        with user_errors():
            from playground.labs.merging import mergekit_yaml

            read = mergekit_yaml.read(recipe)
            update = merges().ready(read)
            with models.lease(update.reference) as engine:
                return {
                    "model": update.reference,
                    "method": read.method,
                    "sources": list(read.references),
                    "recipe": mergekit_yaml.mapping(read),
                    "bytes": engine.n_bytes,
                    "seconds": update.seconds,
                    "revision": engine.revision,
                    "dtype": engine.precision,
                }

    def merge_inspect(a: str, b: str, base: str = "") -> dict:
        """How two models differ, tensor by tensor, and whether they can be merged. Reads files; loads no model.

        Args:
            a: a reference.
            b: another one, of the same architecture.
            base: what both were tuned from; none: only the weights themselves are compared.

        Returns:
            fits; mismatches, each with a sentence and whether it forbids merging; slerp_straight: how many tensors
            SLERP treats as a straight line; tensors: name, layer, elements, cosine, angle (degrees), norm_ratio
            |B|/|A|, distance |B-A|/|A|, delta_cosine and conflicts (with a base; null without).
        """
        with user_errors():
            from playground.labs.merging import inspector
            from playground.models import sources
            from playground.models.progress import quiet
            from playground.models.weights import Weights

            names = dict.fromkeys((a, b, *([base] if base else [])))
            opened = {name: Weights(sources.fetch(name, settings, quiet)) for name in names}
            found = inspector.inspect(opened, a, b, base or None)
            number = lambda value: None if value != value else value  # noqa: E731
            return {
                "fits": found.compatibility.fits,
                "mismatches": [{"sentence": m.sentence, "forbids": m.fatal} for m in found.compatibility.mismatches],
                "slerp_straight": found.n_straight,
                "same": found.n_same,
                "revisions": list(found.revisions),
                "tensors": [
                    {
                        "name": d.name,
                        "layer": d.layer,
                        "elements": d.n,
                        "cosine": number(d.cosine),
                        "angle": number(d.angle),
                        "norm_ratio": number(d.norm_ratio),
                        "distance": number(d.distance),
                        "delta_cosine": number(d.delta_cosine),
                        "conflicts": number(d.conflicts),
                    }
                    for d in found.differences
                ],
            }

    def merge_save(recipe: str | dict, name: str, shard_gigabytes: float = 5.0) -> dict:
        """Writes a merge to disk, tensor by tensor, with tokenizer, chat template, card and recipe.

        Args:
            recipe: as in /merge.
            name: of the folder; letters, digits, dots, dashes and underscores.
            shard_gigabytes: how large one file may be.

        Returns:
            model: the folder, which is a reference too; bytes; files; seconds.
        """
        with user_errors():
            from playground.errors import PlaygroundError
            from playground.labs.merging import mergekit_yaml, saving

            if not isinstance(shard_gigabytes, (int, float)) or not 0.001 <= shard_gigabytes <= 1000:
                raise PlaygroundError("shard_gigabytes must be a number from 0.001 to 1000. Change it.")
            read = mergekit_yaml.read(recipe)
            target = saving.folder_for(name, settings)
            blend = merges().blend(read)
            saved = saving.save(blend, merges().opened(read), target, int(shard_gigabytes * 1e9))
            return {
                "model": saved.reference,
                "bytes": saved.n_bytes,
                "files": saved.n_files,
                "seconds": saved.seconds,
            }

    shared = model_work(settings)
    gr.api(merge, api_name="merge", **shared)
    gr.api(merge_inspect, api_name="merge_inspect", **shared)
    gr.api(merge_save, api_name="merge_save", **shared)
