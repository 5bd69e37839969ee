"""The endpoint that says which models there are. It loads none."""

from dataclasses import asdict

import gradio as gr

from playground.models.cache import ModelCache
from playground.models.catalog import catalog
from playground.settings import Settings
from playground.tabs.kit import title_of, user_errors

WAIT = 5.0  # seconds, at most, until endpoints have said for the first time what they serve


def add(models: ModelCache, settings: Settings) -> None:
    """Declares the endpoint; call it inside `gr.Blocks`."""

    def list_models() -> list[dict]:
        """Models on offer and models in memory.

        Returns:
            One object a model: reference, title, kind, parameters, licence, state ("absent", "on disk", "fetching",
            "loading", "ready", "failed", or "remote": it runs elsewhere), bytes (in memory; estimated unless ready),
            device, dtype, in_use_by (how many requests run it now), and checks (name, passed, detail) for loaded ones.
        """
        with user_errors():
            offered = {entry.reference: entry for entry in catalog()}
            held = {holding.reference: holding.lent for holding in models.ledger().holdings}
            rows = []
            served = models.endpoints.offered(wait=WAIT)
            for reference in [*offered, *(r for r in held if r not in offered), *served]:
                entry, status = offered.get(reference), models.status(reference)
                rows.append(
                    {
                        "reference": reference,
                        "title": entry.title if entry else title_of(reference),
                        "kind": entry.kind if entry else None,
                        "parameters": entry.parameters if entry else None,
                        "licence": entry.licence if entry else None,
                        "state": status.state,
                        "bytes": status.n_bytes,
                        "device": status.device,
                        "dtype": status.dtype,
                        "in_use_by": held.get(reference, 0),
                        "checks": [asdict(check) for check in status.checks],
                    }
                )
            return rows

    gr.api(list_models, api_name="models")
