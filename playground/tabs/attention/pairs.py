"""The Who looks at whom pane of the Attention tab: every head between two words, and heads put to a test of pronouns.

It does not know how heads are measured or drawn.
"""

import threading
from collections.abc import Iterator

import gradio as gr

from playground.tabs.attention.panes import BUTTONS, Bench, Heads, Pane, clicks, progress, reported
from playground.tabs.attention.source import fitting
from playground.tabs.kit import title_of
from playground.views.attention import words as words_view
from playground.views.continuations import note

TITLE = "Who looks at whom"
SOURCE, TARGET, THRESHOLD = "it", "mat", 0.2
MOST_ROWS, MOST_BELOW = 40, 5
INTRODUCTION = (
    "Pick two words: which heads let the first look at the second? Heads over the threshold are listed; press one to "
    "see its map."
)
BENCHMARK = (
    "Winogender sentences name two people and then use a pronoun for one of them. For each head: how often does the "
    "pronoun give the right one more attention than the wrong one? Guessing is right in half of them. Models that read "
    "from left to right are asked behind the sentence, where all of it has been read."
)


def build(bench: Bench) -> Heads:
    """Lays out the pane and connects it. Returns where a head can be picked."""
    source = bench.source
    with gr.Row(elem_classes="attention-choices"):
        looks = gr.Dropdown([SOURCE], value=SOURCE, label="From the word", allow_custom_value=True, min_width=150)
        seen = gr.Dropdown([TARGET], value=TARGET, label="to the word", allow_custom_value=True, min_width=150)
        threshold = gr.Slider(
            0, 1, THRESHOLD, step=0.05, label="Threshold", scale=2, min_width=200, elem_id="pair-threshold"
        )
    caption = gr.HTML(note(INTRODUCTION), elem_id="pair-caption")
    chart = gr.Plot(show_label=False, visible=False, elem_id="pair-chart")
    ranking = gr.HTML(elem_id="pair-ranking", js_on_load=BUTTONS)
    with gr.Accordion("Benchmark: which heads find what a pronoun stands for", open=False, elem_id="coreference"):
        gr.HTML(note(BENCHMARK))
        run = gr.Button("Measure every head", variant="primary", elem_id="coreference-run")
        found_caption = gr.HTML(elem_id="coreference-caption")
        found_chart = gr.Plot(show_label=False, visible=False, elem_id="coreference-chart")
        found_ranking = gr.HTML(elem_id="coreference-ranking", js_on_load=BUTTONS)
    clicked = gr.HTML("", visible="hidden", js_on_load=clicks("#pair-chart"))
    found_clicked = gr.HTML("", visible="hidden", js_on_load=clicks("#coreference-chart"))

    def draw(values: dict, stop: threading.Event) -> dict:
        from playground.labs.attention import maps as attention
        from playground.labs.attention import pairs as attention_pairs
        from playground.views.attention import heads as view

        asked = source.read(values)
        with bench.page.models.lease(asked.reference) as engine:
            place = fitting(engine, asked).stack_and_kind
            read = attention.prepare(engine, asked.text, asked.pair, complete=asked.complete, stop=stop, **place)
            offered = [named(attention_pairs.words_of(side)) for side in (read.queries, read.keys)]
            first = chosen(values[looks], offered[0], -1)
            second = chosen(values[seen], offered[1], 1)
            (one, nth), (two, mth) = taken(first), taken(second)
            pair = attention_pairs.pair(
                engine,
                asked.text,
                one,
                two,
                float(values[threshold]),
                asked.pair,
                complete=asked.complete,
                source_occurrence=nth,
                target_occurrence=mth,
                stop=stop,
                **place,
            )
        strongest = pair.over[:MOST_ROWS] or pair.ranked[:MOST_BELOW]
        rows = [(view.button(link.layer, link.head), f"{100 * link.weight:.1f} %") for link in strongest]
        listed = view.table(("Head", f"{one} → {two}"), rows, "Heads that look most")
        if not pair.over:
            listed = note("None is over the threshold. The strongest are:") + listed
        return {
            looks: gr.update(choices=offered[0], value=first),
            seen: gr.update(choices=offered[1], value=second),
            caption: words_view.paragraph(words_view.of_pair(pair), title_of(asked.reference), pair.provenance),
            chart: gr.update(
                value=view.figure(pair.weights, pair.layers, pair.heads, "Weight", most=None), visible=True
            ),
            ranking: listed,
        }

    def measure(values: dict, stop: threading.Event) -> Iterator[dict]:
        from playground.labs.attention import coreference
        from playground.views.attention import heads as view

        reference = values[bench.page.reference] or ""

        def work(report):
            with bench.page.models.lease(reference) as engine:
                return coreference.coreference(engine, report=report, stop=stop)

        for news in reported(work, stop):
            if isinstance(news, tuple):
                yield {source.status: progress(*news)}
                continue
            said = words_view.of_coreference(news)
            drawn = view.figure(news.share, news.layers, news.heads, "Right in", most=None, least=0.5)
            yield {
                found_caption: words_view.paragraph(said, title_of(reference), news.provenance),
                found_chart: gr.update(value=drawn, visible=True),
                found_ranking: view.best_at_coreference(news),
            }

    pane = Pane(TITLE, {looks, seen, threshold}, [looks, seen, caption, chart, ranking], draw)
    bench.add(pane)
    for component in (looks, seen, threshold):
        bench.draw_after(component.input, pane)
    test = Pane("Benchmark", set(), [found_caption, found_chart, found_ranking], measure)
    bench.draw_after(run.click, test)
    return Heads([clicked, found_clicked], [ranking, found_ranking], {"from": looks, "to": seen, "least": threshold})


def named(words) -> list[str]:
    """Words as they are offered: one that comes again has its number behind it."""
    return [word.text if word.of == 1 else f"{word.text} ({word.occurrence} of {word.of})" for word in words]


def taken(choice: str) -> tuple[str, int]:
    """(word, which of its kind) of an offered name, or of what somebody typed."""
    word, bracket, rest = choice.rpartition(" (")
    number = rest.partition(" of ")[0]
    return (word, int(number)) if bracket and rest.endswith(")") and number.isdigit() else (choice, 1)


def chosen(value: str | None, offered: list[str], otherwise: int) -> str:
    """What was picked; after the text has changed, its word there if it has one, else some word."""
    if value in offered:
        return value
    same = [name for name in offered if taken(name)[0].casefold() == taken(value or "")[0].casefold()]
    return same[0] if same else offered[min(otherwise, len(offered) - 1)] if offered else value or ""
