"""The What heads do pane of the Attention tab: every head scored by pattern, those that stand out with a button each.

It does not know how heads are scored or drawn.
"""

import gradio as gr

from playground.tabs.attention.panes import BUTTONS, Bench, Heads, Pane, clicks
from playground.tabs.attention.source import CROSS, fitting
from playground.tabs.kit import title_of
from playground.views.attention import words as words_view
from playground.views.continuations import note

TITLE = "What heads do"
FIRST = "previous token"
ENTROPY, DISTANCE = "entropy, nats", "distance, tokens"
INTRODUCTION = (
    "Scores every head by what it looks at: the token before, the first token, an earlier copy, punctuation. Open it "
    "to see which heads stand out, and press one to see its map."
)


def build(bench: Bench) -> Heads:
    """Lays out the pane and connects it. Returns where a head can be picked."""
    source = bench.source
    shown = gr.Dropdown(
        [FIRST], value=FIRST, label="Pattern", info="What the colour of a head shows.", elem_id="heads-pattern"
    )
    caption = gr.HTML(note(INTRODUCTION), elem_id="heads-caption")
    chart = gr.Plot(show_label=False, visible=False, elem_id="heads-chart")
    ranking = gr.HTML(elem_id="heads-ranking", js_on_load=BUTTONS)
    clicked = gr.HTML("", visible="hidden", js_on_load=clicks("#heads-chart"))

    def scored(asked, stop):
        """The scores of every head."""
        from playground.labs.attention import heads

        def make():
            with bench.page.models.lease(asked.reference) as engine:
                place = fitting(engine, asked).stack_and_kind
                return heads.heads(engine, asked.text, asked.pair, place.get("stack"), asked.complete, stop=stop)

        return source.kept.get(("heads", asked), make, lambda found: found.scores.nbytes * 4)

    def draw(values: dict, stop) -> dict:
        from playground.labs.attention import heads
        from playground.views.attention import heads as view

        asked = source.read(values)
        found = scored(asked, stop)
        summary = found.summary
        names = [pattern.name for pattern in found.patterns]
        offered = [*names, ENTROPY, DISTANCE]
        chosen = values[shown] if values[shown] in offered else offered[0]
        if chosen in names:
            at = names.index(chosen)
            drawn = view.figure(found.scores[at], found.layers, found.heads, "Score")
            pattern = found.patterns[at]
            about = words_view.of_pattern(
                pattern.sentence, float(found.mean[at]), float(found.even[at]), int(found.counted[at])
            )
        else:
            entropy = chosen == ENTROPY
            numbers = summary.entropy if entropy else summary.distance
            drawn = view.figure(numbers, summary.layers, summary.heads, chosen, most=None, shares=False)
            even = summary.even_entropy if entropy else summary.even_distance
            about = words_view.of_summary(entropy, even)
        if asked.place == CROSS:
            about = f"Of the decoder's self-attention, since the patterns are about one text. {about}"
        return {
            shown: gr.update(choices=offered, value=chosen),
            caption: words_view.paragraph(about, title_of(asked.reference), found.provenance),
            chart: gr.update(value=drawn, visible=True),
            ranking: view.interesting(heads.interesting(found)) + view.definitions(found),
        }

    pane = Pane(TITLE, {shown}, [shown, caption, chart, ranking], draw)
    bench.add(pane)
    bench.draw_after(shown.input, pane)
    return Heads([clicked], [ranking])
