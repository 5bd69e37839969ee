"""A link fills in another visitor's page, and does nothing else: every tab there and back, and what is hostile."""

import math
import re

import gradio as gr
import pytest

from playground.errors import PlaygroundError
from playground.labs import permalinks as lab
from playground.labs.chat.conversations import Thread, start
from playground.labs.permalinks import Link
from playground.labs.retrieval import library
from playground.labs.retrieval.chunking import Chunking
from playground.labs.retrieval.library import EMBEDDING
from playground.models.cache import ModelCache
from playground.settings import Settings
from playground.tabs.attention.source import PLACES
from playground.tabs.forms import Box, Forms, UnfitError, fitted
from playground.tabs.layout import lay_out
from tests import tiny
from tests.tabs.visitor import Visitor

FORMS = [  # (tab, sub-tab)
    ("Chat", ""),
    ("Prompt lab", ""),
    *(("Attention", pane) for pane in ("Map", "Token attribution", "BertViz", "Compare")),
    *(("Internals", pane) for pane in ("Logit lens", "Patching", "Ablation", "Steering", "Neurons", "Probing")),
    *(("Merge", pane) for pane in ("Blend", "Adapters", "Ensembles")),
    *(("Bias", pane) for pane in ("Fill the blank", "Pairs", "Associations", "Generation", "Change & measure again")),
    *(("Search", pane) for pane in ("Ask", "Documents", "Evaluate", "Similarity")),
]


@pytest.fixture(scope="module")
def laid(tmp_path_factory):
    settings = Settings(cache_dir=tmp_path_factory.mktemp("cache"), dtype="float32", threads=1, memory_budget="200MB")
    with gr.Blocks() as blocks:
        return lay_out(blocks, ModelCache(settings), settings)


@pytest.fixture(scope="module")
def llama(tmp_path_factory) -> str:
    return str(tiny.save(tmp_path_factory.mktemp("chatty"), "llama", context=4096))


def visit(page, model: str = "starter:smollm2-135m-instruct") -> Visitor:
    visitor = Visitor(page.blocks)
    visitor.page, visitor.bar = page, visitor.find("permalink")
    visitor.values[page.reference] = model
    return visitor


def copy(visitor: Visitor, tab: str, pane: str = "", talk: bool = False, inner: str = "") -> str:
    """Presses Copy link; the word, or fails with what the page says instead."""
    visitor.fire(visitor.bar, "wanted", tab=tab, pane=pane, inner=inner, talk=talk)
    shown = visitor.value(visitor.bar)
    found = re.search(r'data-word="([^"]*)"', shown)
    assert found, shown
    return found[1]


def follow(visitor: Visitor, word: str) -> str:
    """Opens a link; what the bar says."""
    visitor.fire(visitor.bar, "opened", word=word)
    return visitor.value(visitor.bar)


def other(box: Box, now):
    """Another value that the component can hold."""
    component = box.component
    if isinstance(component, gr.Slider):
        return component.minimum if now != component.minimum else component.maximum
    if isinstance(component, gr.Number):
        return (now or 0) + 1
    if isinstance(component, gr.Checkbox):
        return not now
    if isinstance(component, gr.Dataframe):
        return [*now[1:], ["<b>" for _ in component.headers]]
    if isinstance(component, gr.CheckboxGroup):
        return now[1:]
    if isinstance(component, gr.Dropdown | gr.Radio):
        offered = box.choices or [value for _, value in component.choices]
        typed = f"{now} <b>" if component.__class__ is gr.Dropdown and component.allow_custom_value else now
        return next((value for value in offered if value != now), typed)
    return f"{now}: <b>Grüße</b>, 世界\n"


@pytest.mark.parametrize(("tab", "pane"), FORMS)
def test_every_box_of_every_tab_comes_back_in_another_browser(laid, tab, pane):
    ann, bob = visit(laid), visit(laid)
    form = laid.forms.find(tab, pane)
    boxes = {name: box for name, box in form.boxes.items() if box.when is None}
    wanted = {name: other(box, ann.value(box.component)) for name, box in boxes.items()}
    ann.values |= {boxes[name].component: value for name, value in wanted.items()}
    word = copy(ann, tab, pane)
    follow(bob, word)
    assert bob.opened["tabs"] == tab
    assert not pane or bob.opened[laid.forms.strips[tab].elem_id] == pane
    assert {name: bob.value(box.component) for name, box in boxes.items()} == wanted
    assert form.read(bob.values | {c: bob.value(c) for c in form.inputs}) == form.read(
        ann.values | {c: ann.value(c) for c in form.inputs}
    )


def test_a_merge_in_any_box_is_told(laid):
    ann = visit(laid)
    ann.values |= {ann.find("merge-a"): "merge:of-ann", ann.find("merge-prompt"): "merge: two words"}
    copy(ann, "Merge", "Blend")
    assert "names “merge:of-ann”, a merge" in ann.value(ann.bar) and "two words" not in ann.value(ann.bar)


@pytest.mark.parametrize(("tab", "pane"), FORMS)
def test_a_page_as_it_is_at_first_comes_back_without_a_complaint(laid, tab, pane):
    ann, bob = visit(laid), visit(laid)
    for box in laid.forms.find(tab, pane).boxes.values():
        if isinstance(box.component, gr.Textbox) and not box.component.value:
            ann.values[box.component] = None  # as Gradio has it
    assert 'class="note"' not in follow(bob, copy(ann, tab, pane))


def test_all_that_a_tab_offers_is_tried_here(laid):
    offered = {(form.tab, form.pane) for form in laid.forms if form.tab != "Attention"}
    assert offered <= set(FORMS)
    assert {form.tab for form in laid.forms} == set(laid.post), "every tab has links"


def test_a_link_runs_nothing_and_loads_nothing(laid, llama, monkeypatch):
    monkeypatch.setattr(ModelCache, "lease", lambda *given: pytest.fail("a model was asked for"))
    monkeypatch.setattr(ModelCache, "arriving", lambda *given: pytest.fail("a model was asked for"))
    for tab, pane in FORMS:
        ann, bob = visit(laid, llama), visit(laid)
        told = follow(bob, copy(ann, tab, pane))
        assert bob.value(laid.reference) == "starter:smollm2-135m-instruct", "the bar is as it was"
        assert "not in memory" in told and "Use and load this model" in told


def test_who_agrees_gets_the_model_of_the_link_loaded(laid, llama):
    ann, bob = visit(laid, llama), visit(laid)
    follow(bob, copy(ann, "Attention", "Map"))
    bob.fire(bob.bar, "agreed")
    assert bob.value(laid.reference) == llama
    assert laid.models.status(llama).state == "ready"
    assert "Use and load" not in bob.value(bob.bar)
    eve = visit(laid)
    told = follow(eve, copy(bob, "Attention", "Map"))
    assert eve.value(laid.reference) == llama, "what is in memory needs no question"
    assert "Use and load" not in told and "filled in Attention, Map" in told
    laid.models.unload(llama)


def test_a_link_names_the_revision_that_was_looked_at(laid, llama):
    ann, bob = visit(laid, llama), visit(laid)
    with laid.models.lease(llama) as engine:
        revision = engine.revision
    word = copy(ann, "Attention", "Map")
    assert lab.read(word).revision == revision
    told = follow(bob, lab.write(Link("Attention", "Map", llama, "of-other-weights")))
    assert "made with revision of-other-wei" in told and revision[:12] in told
    laid.models.unload(llama)
    pinned = Link("Attention", "Map", "org/name#int8", "0123456789abcdef0123456789abcdef01234567")
    assert "org/name@0123456789abcdef0123456789abcdef01234567#int8" in follow(bob, lab.write(pinned))


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        ("<script>alert(1)</script>", "does not name a model"),
        ("evil/model", "Models of evil are not allowed on this page"),
        ("/etc/passwd", "are not allowed as models here"),
        ("starter:none", "not used"),
        ("merge:of-somebody", "not used"),
    ],
)
def test_a_links_model_is_checked_as_a_typed_one(tmp_path, model, sentence):
    settings = Settings(cache_dir=tmp_path, public=True)
    with gr.Blocks() as blocks:
        page = lay_out(blocks, ModelCache(settings), settings)
    bob = visit(page)
    told = follow(bob, lab.write(Link("Attention", "Map", model, fields={"text": "Hi"})))
    assert sentence in told and "<script>" not in told and "Use and load" not in told
    assert bob.value(page.reference) == "starter:smollm2-135m-instruct"
    assert bob.value(bob.find("attention-text")) == "Hi", "the rest is filled in"
    bob.fire(bob.bar, "agreed")  # whoever forges a click gets nothing
    assert bob.value(page.reference) == "starter:smollm2-135m-instruct"


def test_a_merge_stays_where_it_is(laid):
    ann = visit(laid, "merge:of-ann")
    assert lab.read(copy(ann, "Attention", "Map")).model == ""
    assert "Merge tab" in ann.value(ann.bar)


def test_values_that_a_box_cannot_hold_are_refused_or_moved_with_a_sentence(laid):
    bob = visit(laid)
    before = {id: bob.value(bob.find(id)) for id in ("map-hide", "attention-complete", "attention-text")}
    fields = {"text": 5, "layer": 10_000, "head": True, "attention": "nonsense<b>", "special": "yes", "unheard": 1}
    told = follow(bob, lab.write(Link("Attention", "Map", fields=fields)))
    assert before == {id: bob.value(bob.find(id)) for id in before}
    assert bob.value(bob.find("map-layer")) == 512
    assert "“Layer” was 10000 in the link, and is 512 here." in told
    assert "“Text” is left as it was: the link says “5”." in told
    assert "“Head” is left as it was: the link says “True”." in told
    assert "nonsense&lt;b&gt;" in told
    assert "“unheard”, which is not known here" in told


@pytest.mark.parametrize(
    ("component", "value"),
    [
        (gr.Slider(0, 2), "1"),
        (gr.Slider(0, 2), None),
        (gr.Slider(0, 2), [1]),
        (gr.Number(), "1"),
        (gr.Number(), True),
        (gr.Checkbox(), 1),
        (gr.Radio(["a"]), "b"),
        (gr.Radio(["a"]), ["a"]),
        (gr.Radio([("one", 1)]), True),
        (gr.Dropdown(["a"]), {"a": 1}),
        (gr.Dropdown(["a"], allow_custom_value=True), "x" * 2000),
        (gr.Dropdown(["a"], multiselect=True), "a"),
        (gr.Dropdown(["a"], multiselect=True), ["a"] * 200),
        (gr.CheckboxGroup(["a"]), ["b"]),
        (gr.Dataframe(headers=["a", "b"]), [["1"]]),
        (gr.Dataframe(headers=["a"]), [[1]]),
        (gr.Dataframe(headers=["a"]), [["1"]] * 2000),
        (gr.Dataframe(headers=["a"]), "a"),
        (gr.Textbox(), None),
        (gr.Textbox(), "x" * 200_000),
        (gr.Textbox(max_length=3), "long"),
    ],
)
def test_what_is_no_value_of_a_component_is_refused(component, value):
    with pytest.raises(UnfitError):
        fitted(Box(component), value)


def test_numbers_keep_within_their_limits():
    assert fitted(Box(gr.Slider(0, 2)), 9)[0]["value"] == 2
    assert fitted(Box(gr.Slider(0, 2), most=5), 4)[0] == gr.update(value=4, maximum=4)
    assert fitted(Box(gr.Number(minimum=1, precision=0)), -3.5)[0]["value"] == 1
    assert fitted(Box(gr.Radio(["a", "b"])), "b") == (gr.update(value="b"), "")
    assert not math.isnan(fitted(Box(gr.Slider(0, 2)), 1)[0]["value"])


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"prompts": []},
        {"prompts": [{"name": 3}]},
        {"prompts": "x", "data": "x"},
        {"prompts": [{"name": "a", "query": "{{text}}"}] * 9},
        {"prompts": [{"name": "a"}], "data": [{"": ""}]},
        {"prompts": [{"name": "a"}], "data": [{"a": "1"}, {"b": "2"}]},
        {"prompts": [{"name": "a"}], "data": [{"a": 1}], "scorer": {"kind": "exact"}},
        {"prompts": [{"name": "a"}], "data": [{"a": "1"}], "scorer": {"kind": "none"}},
        {"prompts": [{"name": "a"}], "data": [{"a": "1"}], "scorer": {"kind": "exact"}, "asking": {"seed": 1}},
        {"prompts": [{"name": "a"}], "data": [{"a": "1"}], "scorer": {"kind": []}, "asking": []},
    ],
)
def test_a_table_or_prompts_that_are_none_leave_the_lab_as_it_was(laid, fields):
    bob = visit(laid)
    told = follow(bob, lab.write(Link("Prompt lab", fields=fields)))
    assert told.count('class="note"') == 1 and bob.value(bob.find("lab-query")) == "{{text}}"


@pytest.mark.parametrize(
    "recipe", [None, 3, [], {}, {"merge_method": "none"}, {"merge_method": [], "models": {}}, {"models": [1]}]
)
def test_a_recipe_that_is_none_leaves_the_kitchen_as_it_was(laid, recipe):
    bob = visit(laid)
    told = follow(bob, lab.write(Link("Merge", "Blend", fields={"recipe": recipe, "prompt": "Who?"})))
    assert told.count('class="note"') == 1
    assert bob.value(bob.find("merge-prompt")) == "Who?"


def test_settings_of_the_lab_are_moved_into_their_limits(laid):
    ann, bob = visit(laid), visit(laid)
    link = lab.read(copy(ann, "Prompt lab"))
    asking = link.fields["asking"] | {"samples": 9_999, "seed": -4, "temperatures": [0, 99.5]}
    told = follow(bob, lab.write(Link("Prompt lab", fields={**link.fields, "asking": asking})))
    assert "were moved there" in told
    assert (bob.value(bob.find("lab-samples")), bob.value(bob.find("lab-seed"))) == (40, 0)
    assert bob.value(bob.find("lab-temperature")) == "0, 5"


def test_a_conversation_goes_along_only_if_it_is_asked_for(laid):
    ann, bob = visit(laid), visit(laid)
    thread = next(c for c in laid.forms.find("Chat", "").more.inputs if isinstance(getattr(c, "value", None), Thread))
    ann.values[thread] = Thread(start().now.add("user", "A secret?").add("assistant", "No."))
    word = copy(ann, "Chat")
    assert "conversation" not in lab.read(word).fields and "Copy with the conversation" in ann.value(ann.bar)
    follow(bob, word)
    assert not bob.value(thread).now.path
    word = copy(ann, "Chat", talk=True)
    assert "Copy with the conversation" not in ann.value(ann.bar)
    follow(bob, word)
    assert [(node.role, node.content) for node in bob.value(thread).now.path] == [
        ("user", "A secret?"),
        ("assistant", "No."),
    ]
    told = follow(bob, lab.write(Link("Chat", fields={"conversation": [{"role": "root", "content": "x"}]})))
    assert "conversation is left out" in told


def test_nothing_secret_goes_into_a_link(laid):
    ann = visit(laid)
    ann.values[laid.owner] = "a-key-of-mine"
    ann.values[ann.find("search-collection")] = "mine/Diary"
    for tab, pane in FORMS:
        assert "a-key-of-mine" not in str(lab.read(copy(ann, tab, pane))), (tab, pane)
        assert "Diary" not in str(lab.read(copy(ann, tab, pane)))
    for form in laid.forms:
        assert not [box for box in form.inputs if isinstance(box, gr.File | gr.BrowserState)]
        assert not [box for box in form.inputs if getattr(box, "type", "") == "password"]


@pytest.mark.parametrize("word", ["", "1.", "1.AAAA", "<script>", "x" * 50_000, "2.AAAA"])
def test_a_link_that_cannot_be_read_is_said_and_changes_nothing(laid, word):
    bob = visit(laid)
    told = follow(bob, word)
    assert "refused" in told and told.count("<p>") == 1 and "<script>" not in told
    assert "tabs" not in bob.opened


def test_a_link_to_what_is_not_there_is_said(laid):
    bob = visit(laid)
    assert "does not have" in follow(bob, lab.write(Link("Kitchen<b>")))
    bob.fire(bob.bar, "wanted", tab="Bias", pane="Report", inner="", talk=False)
    assert "There is no link to this part of the page (Bias, Report)." in bob.value(bob.bar)


def test_both_sides_of_a_duel_go_along_and_keep_apart(laid, llama):
    ann, bob = visit(laid, llama), visit(laid)
    form = laid.forms.find("Chat", "")
    duel = {name: box for name, box in form.boxes.items() if box.when}
    assert not set(duel) & set(lab.read(copy(ann, "Chat")).fields), "without a duel its boxes make no link longer"
    ann.values[form.boxes["mode"].component] = "Two models"
    wanted = {name: other(box, ann.value(box.component)) for name, box in duel.items()}
    wanted |= {"a_model": llama, "b_model": "starter:smollm2-135m-instruct"}
    ann.values |= {duel[name].component: value for name, value in wanted.items()}
    follow(bob, copy(ann, "Chat"))
    assert {name: bob.value(box.component) for name, box in duel.items()} == wanted
    bob.fire(bob.bar, "agreed")  # the model of the page is now A's; B was the one before, and stays
    bob.fire(laid.reference, "change")
    assert [bob.value(duel[f"{side}_model"].component) for side in "ab"] == [llama, "starter:smollm2-135m-instruct"]
    ann.values[duel["b_model"].component] = "merge:of-ann"
    assert "b_model" not in lab.read(copy(ann, "Chat")).fields
    assert "“Model B” is a merge" in ann.value(ann.bar)
    laid.models.unload(llama)


def test_the_tab_inside_a_sub_tab_is_opened_too(laid):
    ann, bob = visit(laid), visit(laid)
    ann.values[ann.find("merge-route-prompt")] = "Which way?"
    follow(bob, copy(ann, "Merge", "Adapters", inner="Route"))
    assert (bob.opened["merge"], bob.opened["merge-adapters"]) == ("Adapters", "Route")
    assert bob.value(bob.find("merge-route-prompt")) == "Which way?"
    follow(bob, lab.write(Link("Merge", "Adapters", inner="<b>")))
    assert bob.opened["merge-adapters"] == "Route"


def test_a_collection_goes_along_by_its_name_if_others_can_search_it(laid):
    ann, bob = visit(laid), visit(laid)
    picked, key = ann.find("search-collection"), "a-key-of-bob-that-nobody-knows"
    library.of(laid.settings).create("mine/Letters", key, EMBEDDING, Chunking())
    bob.values[laid.owner] = key
    ann.values[picked], bob.values[picked] = "mine/Diary", "mine/Letters"
    word = copy(ann, "Search", "Similarity")
    assert "Your collection is not in the link" in ann.value(ann.bar)
    assert "a collection of its maker&#x27;s own" in follow(bob, word) and bob.value(picked) == "mine/Letters"
    ann.values[picked] = None
    assert 'class="note"' not in follow(bob, copy(ann, "Search", "Ask"))
    assert bob.value(picked) == "shipped/transformers"
    gone = lab.write(Link("Search", "Ask", fields={"collection": "shared/Old <b>", "question": "Why?"}))
    assert "The collection “Old &lt;b&gt;” of the link is not here" in follow(bob, gone)
    assert bob.value(bob.find("search-question")) == "Why?"


def test_a_collection_that_was_shared_since_is_offered_beside_ones_own(laid):
    ann, bob = visit(laid), visit(laid)
    picked, key = ann.find("search-collection"), "another-key-of-bob-that-nobody-knows"
    shelves = library.of(laid.settings)
    shelves.create("mine/Poems", key, EMBEDDING, Chunking())
    shelves.create("shared/Since then", "", EMBEDDING, Chunking())
    bob.values[laid.owner] = key
    ann.values[picked] = "shared/Since then"
    assert 'class="note"' not in follow(bob, copy(ann, "Search", "Ask"))
    assert bob.value(picked) == "shared/Since then"
    last = [sent[picked] for sent in bob.updates if picked in sent][-1]
    offered = {address for _, address in last["choices"]}
    assert offered == {"shipped/transformers", "shared/Since then", "mine/Poems"}


def test_the_model_is_picked_once_all_is_filled_in(laid, llama):
    """Else a duel's side that was the picked model could follow it while its own box is being filled."""
    with laid.models.lease(llama):
        ann, bob = visit(laid, llama), visit(laid)
    boxes = laid.forms.find("Chat", "").boxes
    side = boxes["a_model"].component
    ann.values |= {boxes["mode"].component: "Two models", side: llama}
    follow(bob, copy(ann, "Chat"))
    assert (bob.value(laid.reference), bob.value(side)) == (llama, llama)
    when = {each: [n for n, sent in enumerate(bob.updates) if each in sent] for each in (laid.reference, side)}
    assert when[laid.reference][0] >= when[side][0]
    laid.models.unload(llama)


def test_a_links_choice_of_attention_is_one_of_the_boxs_whatever_model_was_picked(laid):
    """Else Gradio refuses the box from then on, whatever is pressed."""
    bob, place = visit(laid), laid.forms.find("Attention", "Map").boxes["of"].component
    encoder = PLACES["encoder", "self"]
    assert encoder not in [value for _, value in place.choices], "no model with two stacks has been picked"
    follow(bob, lab.write(Link("Attention", "Map", fields={"of": encoder})))
    sent = next(sent[place] for sent in bob.updates if place in sent)
    assert sent["value"] == encoder and encoder in sent["choices"]


def test_a_links_duel_goes_on_with_a_model_that_only_continues_texts(laid, tmp_path):
    base = str(tiny.save(tmp_path / "base", "gpt2"))
    with laid.models.lease(base):
        ann, bob = visit(laid, base), visit(laid)
    mode = laid.forms.find("Chat", "").boxes["mode"].component
    ann.values[mode] = "Two models"
    follow(bob, copy(ann, "Chat"))
    assert bob.value(laid.reference) == base
    bob.fire(laid.reference, "change")
    assert bob.value(mode) == "Two models"
    bob.values[mode] = "Conversation"
    bob.fire(laid.reference, "change")
    assert bob.value(mode) == "Plain completion"
    laid.models.unload(base)


def test_what_is_wrong_in_the_lab_is_linked_as_it_stands_and_said_twice(laid):
    ann, bob = visit(laid), visit(laid)
    typed = {"lab-temperature": "warm", "lab-scorer": "Regular expression", "lab-pattern": "(", "lab-query": " "}
    ann.values |= {ann.find(id): value for id, value in typed.items()}
    word = copy(ann, "Prompt lab")
    assert "“warm” is no temperature" in ann.value(ann.bar)
    told = follow(bob, word)
    assert {id: bob.value(bob.find(id)) for id in typed} == typed
    assert "“warm” is no temperature" in told and "The pattern cannot be read" in told and "is empty. Write one" in told
    ann.values[ann.find("lab-temperature")], ann.values[ann.find("lab-samples")] = "0", 3
    word = copy(ann, "Prompt lab")
    assert "all 3 samples would be the same" in ann.value(ann.bar)
    assert "all 3 samples would be the same" in follow(bob, word)
    assert (bob.value(bob.find("lab-temperature")), bob.value(bob.find("lab-samples"))) == ("0", 3)


def test_a_table_that_is_none_is_left_out_and_the_rest_comes(laid):
    ann, bob = visit(laid), visit(laid)
    grid = ann.find("lab-table")
    before = len(bob.value(grid))
    ann.values |= {grid: ann.value(grid).iloc[:0], ann.find("lab-query"): "Is {{text}} kind?"}
    word = copy(ann, "Prompt lab")
    assert "The table is left out of the link" in ann.value(ann.bar)
    assert "came without a table: the one here stays" in follow(bob, word)
    assert len(bob.value(grid)) == before and bob.value(bob.find("lab-query")) == "Is {{text}} kind?"


def test_a_recipe_that_makes_no_sense_is_linked_as_it_stands(laid):
    ann, bob = visit(laid), visit(laid)
    typed = {"merge-curve": "0, half", "merge-method": "dare_ties", "merge-weight-a": -0.5, "merge-dialect": "paper"}
    ann.values |= {ann.find(id): value for id, value in typed.items()} | {ann.find("merge-base"): "a/b"}
    word = copy(ann, "Merge", "Blend", inner="Sweep")
    assert "needs numbers with commas between them" in ann.value(ann.bar)
    told = follow(bob, word)
    assert {id: bob.value(bob.find(id)) for id in typed} == typed and bob.value(bob.find("merge-base")) == "a/b"
    assert bob.opened["merge-blend"] == "Sweep" and 'class="note"' not in told
    weight = bob.find("merge-weight-a")
    assert next(made[weight] for made in bob.updates if weight in made)["visible"], "what its method has to set"


def test_a_model_that_is_none_is_left_out_of_the_link(laid):
    ann = visit(laid, "no model <b>")
    word = copy(ann, "Attention", "Map")
    assert lab.read(word).model == "" and "The link leaves the model out." in ann.value(ann.bar)


def test_a_new_tab_has_links_by_listing_its_boxes(tmp_path):
    with gr.Blocks():
        text, forms = gr.Textbox("x"), Forms()
        forms.offer("New", boxes={"text": text})
    form = forms.find("New", "any pane")
    assert form.read({text: "y"}) == ({"text": "y"}, [])
    assert form.fill({"text": "z"}) == ({text: gr.update(value="z")}, [])
    assert forms.find("Other", "") is None
    with pytest.raises(PlaygroundError):
        lab.read("nothing")
