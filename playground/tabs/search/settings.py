"""How chunks are ranked, as controls on the page. It does not search."""

from dataclasses import dataclass

import gradio as gr

from playground.labs.retrieval.search import How

METHODS = {"Words and meaning": "hybrid", "Words (BM25)": "bm25", "Meaning (vectors)": "dense"}
FUSIONS = {"Scores, weighed": "convex", "Reciprocal ranks": "rrf"}
THRESHOLD = 0.40


@dataclass(frozen=True, eq=False)
class Controls:
    method: gr.Radio
    fusion: gr.Radio
    weight: gr.Slider
    k: gr.Slider
    spread: gr.Slider
    documents: gr.Textbox
    contains: gr.Textbox
    reranker: gr.Textbox
    threshold: gr.Slider
    passages: gr.Slider

    @property
    def all(self) -> list[gr.components.Component]:
        return [getattr(self, name) for name in self.__dataclass_fields__]

    def how(self, values: dict, names: list[str]) -> How:
        """What is set. `names`: of the collection's documents, of which those are meant that hold what was typed."""
        part = (values[self.documents] or "").strip().casefold()
        wanted = tuple(name for name in names if part in name.casefold()) if part else ()
        spread = float(values[self.spread])
        return How(
            METHODS[values[self.method]],
            FUSIONS[values[self.fusion]],
            float(values[self.weight]),
            mmr=1 - spread if spread else None,
            documents=wanted if not part or wanted else (part,),  # none of that name: nothing passes, and it is said
            contains=values[self.contains] or "",
        )


def build() -> Controls:
    with gr.Row():
        method = gr.Radio(list(METHODS), value="Words and meaning", label="Search by", min_width=280)
        fusion = gr.Radio(list(FUSIONS), value="Scores, weighed", label="Put together by", min_width=240)
        weight = gr.Slider(0, 1, 0.8, step=0.05, label="Weight of meaning", info="0: words alone. 1: meaning alone.")
    with gr.Row():
        k = gr.Slider(1, 20, 5, step=1, label="Passages to find (k)")
        spread = gr.Slider(
            0, 0.9, 0, step=0.1, label="Avoid repetition", info="Maximal marginal relevance; 0: by relevance alone."
        )
        threshold = gr.Slider(
            0, 1, THRESHOLD, step=0.01, label="Refuse below confidence",
            info="Two thirds cosine, one third share of the question's words; below it no model is asked. 0: never.",
        )  # fmt: skip
        passages = gr.Slider(
            0,
            10,
            0,
            step=1,
            label="Passages for the model",
            info="0: as many as suit it. The starter does best with one.",
        )
    with gr.Row():
        documents = gr.Textbox(label="Only documents whose name has", max_lines=1, min_width=180)
        contains = gr.Textbox(label="Only chunks that contain", max_lines=1, min_width=180)
        reranker = gr.Textbox(
            label="Reranker (cross-encoder)", max_lines=1, min_width=220,
            placeholder="cross-encoder/ms-marco-MiniLM-L6-v2",
            info="Optional; from the hub or a folder. It reads question and chunk together.",
        )  # fmt: skip
    return Controls(method, fusion, weight, k, spread, documents, contains, reranker, threshold, passages)
