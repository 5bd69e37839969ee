"""The recipe as text, in and out, and the merge as a folder: what is worth keeping is saved, or sent to the hub.

It does not know how a merge is written: `labs/merging/saving.py`.
"""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, fields
from html import escape

import gradio as gr

from playground.tabs.files import write_files
from playground.tabs.kit import MAY_REFUSE, Page, in_words, user_errors
from playground.tabs.merge import bench as benches
from playground.tabs.merge.bench import Bench
from playground.tabs.merge.visitors import Visitors
from playground.views.continuations import note

TITLE = "Recipe and save"
DTYPES = ["as the parents", "bfloat16", "float16", "float32"]


@dataclass(frozen=True, eq=False)
class Pane:
    page: Page
    visitors: Visitors
    bench: Bench
    recipe: gr.Code
    show: gr.Button
    bring: gr.Button
    name: gr.Textbox
    dtype: gr.Dropdown
    shard: gr.Number
    repo: gr.Textbox
    told: gr.HTML
    files: gr.File
    code: gr.Code

    @property
    def outputs(self) -> list[gr.components.Component]:
        return [self.recipe, self.told, self.files, self.page.reference]

    def work(self, values: dict, stop: threading.Event, visitor: str) -> Iterator[dict]:
        """Writes the merge of the sliders into a folder, and sends it to the hub if a repository is named."""
        from dataclasses import replace

        from playground.labs.merging import mergekit_yaml, publishing, saving
        from playground.tabs.model_bar import choices

        recipe = self.visitors.kitchen.recipe(values)
        if values[self.dtype] != DTYPES[0]:
            recipe = replace(recipe, dtype=values[self.dtype])
        target = saving.folder_for((values[self.name] or "").strip(), self.page.settings)
        merges = self.visitors.merges

        def save(tell):
            blend = merges.blend(recipe, tell)
            size = int(float(values[self.shard] or 5) * 1e9)
            return saving.save(blend, merges.opened(recipe), target, max(size, 1), tell, stop)

        saved = yield from self.bench.told(save, stop)
        told = (
            f"Saved in {saved.seconds:.1f} s: {saved.n_bytes / 1e6:,.0f} MB in {saved.n_files} file(s). It is now the "
            "model in use in every tab; its name is its folder,"
        )
        yield {
            self.told: f'<p class="verdict">{escape(told)} <code>{escape(saved.reference)}</code></p>',
            self.recipe: mergekit_yaml.write(recipe),
            self.page.reference: gr.update(choices=choices(self.page.settings, saved.reference), value=saved.reference),
        }
        repo = (values[self.repo] or "").strip()
        if repo and not stop.is_set():
            address = yield from self.bench.told(
                lambda tell: publishing.push(saved, repo, self.page.settings, report=tell), stop
            )
            yield {self.told: f'<p class="verdict">{escape(told)} and on the hub at {escape(address)}</p>'}

    def as_text(self, values: dict) -> dict:
        """The recipe of the sliders as mergekit's YAML, and as files to take along."""
        from playground.labs.merging import mergekit_yaml, replay, saving

        with user_errors():
            recipe = self.visitors.kitchen.recipe(values)
            text = mergekit_yaml.write(recipe)
            contents = {"recipe.yml": text, "recipe.json": json.dumps(mergekit_yaml.mapping(recipe), indent=2)}
            try:
                opened = self.visitors.merges.opened(recipe)
                contents["recipe-for-mergekit.yml"] = saving.for_mergekit(
                    recipe, opened, self.page.settings.may_read_local_paths
                )
                code = contents["merge.py"] = replay.script(recipe, opened)
            except Exception as error:  # the recipe itself can be taken along all the same
                code = f"# {in_words(error)}"
            return {self.recipe: text, self.files: write_files(contents), self.code: code}

    def bringing(self, ask) -> None:
        """Connects “Use this recipe” with the sliders and with `ask`, the pane that answers."""
        cook = self.visitors.kitchen

        def bring(text: str) -> dict:
            from playground.labs.merging import mergekit_yaml

            with user_errors():
                return cook.shown(mergekit_yaml.read(text or ""))

        ask.after(self.bring.click(bring, self.recipe, cook.all, **MAY_REFUSE))


def build(page: Page, visitors: Visitors) -> Pane:
    parts: dict = {}
    with gr.Row(elem_classes="asked"):
        with gr.Column(scale=3, min_width=300):
            parts["recipe"] = gr.Code(
                "", language="yaml", label="Recipe, as mergekit writes it", lines=10, elem_id="merge-recipe"
            )
            with gr.Row(elem_classes="buttons"):
                parts["show"] = gr.Button("Show the sliders' recipe", size="sm", elem_id="merge-recipe-show")
                parts["bring"] = gr.Button("Use this recipe", size="sm", elem_id="merge-recipe-use")
            with gr.Accordion("Downloads and code", open=False):
                gr.HTML(
                    note(
                        "“Show the sliders' recipe” fills these in. The Python needs no Playground; where its models "
                        "are stands on top."
                    )
                )
                parts["files"] = gr.File(
                    label="The recipe as YAML and JSON, and the Python", file_count="multiple", interactive=False
                )
                parts["code"] = gr.Code(
                    "",
                    language="python",
                    label="The merge in plain Python",
                    lines=8,
                    max_lines=24,
                    elem_id="merge-code",
                )
        with gr.Column(scale=2, min_width=280):
            parts["name"] = gr.Textbox(
                "my-merge", label="Name of the folder", info="Letters, digits, - and _.", elem_id="merge-name"
            )
            with gr.Row():
                parts["dtype"] = gr.Dropdown(DTYPES, value=DTYPES[0], label="Precision", min_width=140)
                parts["shard"] = gr.Number(5, label="Largest file, GB", minimum=0.001, min_width=120)
            parts["repo"] = gr.Textbox(
                "",
                label="Also send to the hub, as",
                info="your-name/name, private; needs HF_TOKEN. Empty: keep it here.",
                elem_id="merge-repo",
            )
            with gr.Row(elem_classes="buttons"):
                run = gr.Button("Save the merge", variant="primary", elem_id="merge-save")
                stop = gr.Button("Stop", variant="stop", elem_id="merge-save-stop")
    status = gr.HTML(elem_id="merge-save-status", elem_classes="doing")
    parts["told"] = gr.HTML(elem_id="merge-saved")
    gr.HTML(
        note(
            "Saved are weights in safetensors, config, tokenizer, chat template, a model card and the recipe. The "
            "folder is whole or not there at all."
        )
    )
    bench = benches.build(page, TITLE, status, stop)
    parts |= {"page": page, "visitors": visitors, "bench": bench}
    pane = Pane(**{item.name: parts[item.name] for item in fields(Pane)})
    inputs = visitors.kitchen.inputs | {pane.name, pane.dtype, pane.shard, pane.repo}
    bench.on([run.click], pane.work, inputs, pane.outputs)
    pane.show.click(pane.as_text, visitors.kitchen.inputs, [pane.recipe, pane.files, pane.code], **MAY_REFUSE)
    return pane
