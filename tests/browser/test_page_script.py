"""The faster pieces of the page script answer as those that they replace, in the browser that runs them."""

from collections.abc import Iterator

import gradio as gr
from playwright.sync_api import Browser, Page, Route, expect

from playground.tabs import page_script

BOTH = """([[find, byTable], [events, byOwnTable], name, holder]) => {
    let chance = 7;
    const random = (n) => (chance = (chance * 16807) % 2147483647) % n;
    let count = 0;
    const grow = (depth) => ({id: count++, props: {shared_props: {}},
        children: depth ? Array.from({length: 2 + random(3)}, () => grow(depth - 1)) : undefined});
    const root = grow(5), all = [];
    const walk = (node) => { all.push(node); node.children?.forEach(walk); };
    walk(root);
    const functions = [find, byTable].map((text) => new Function(`${text}; return [${name}, ${holder}];`)());
    let wrong = 0;
    for (const under of [root, root.children[0], all[all.length - 1]])
        for (let id = -2; id < count + 2; id++)
            for (const which of [0, 1])
                if (functions[0][which](under, id) !== functions[1][which](under, id)) wrong++;
    const names = ['click', 'change', '', null, 'submit'];
    const listeners = Array.from({length: 300}, () =>
        ({targets: Array.from({length: random(4)}, () => [random(count + 3), names[random(5)]])}));
    const holders = [events, byOwnTable].map((text) => new (new Function(`return class { ${text} };`)())());
    for (const listenersNow of [listeners, listeners.slice(100)])  // a page that is loaded anew has other listeners
        for (const node of all) {
            const [old, quick] = holders.map((holder) =>
                JSON.stringify(holder.find_attached_events(node, listenersNow).props.shared_props.attached_events));
            if (old !== quick) wrong++;
        }
    return {wrong, nodes: count};
}"""


def test_both_find_the_same(browser: Browser):
    texts = (path.read_text("utf-8") for path in page_script.SCRIPTS.glob("core-*.js"))
    script = next(text for text in texts if page_script.FIND.search(text))
    pairs = []
    for pattern, replacement in (
        (page_script.FIND, page_script.FIND_BY_TABLE),
        (page_script.EVENTS, page_script.EVENTS_BY_TABLE),
    ):
        found = pattern.search(script)
        pairs.append([found[0], found.expand(replacement)])
    names = page_script.FIND.search(script)
    page = browser.new_page()
    counted = page.evaluate(BOTH, [*pairs, names["find"], names["holder"]])
    page.close()
    assert counted["nodes"] > 100
    assert counted["wrong"] == 0


def failing() -> Iterator[tuple[str, str]]:
    yield "begun", "begun too"
    raise gr.Error("It fails.")


def small_page() -> gr.Blocks:
    """What a page may hold that is not shown at first, and buttons that change it before and after that."""
    with gr.Blocks() as blocks:
        with gr.Tabs() as tabs:
            with gr.Tab("One", id="one"):
                early = gr.Textbox("first", label="Early")
                with gr.Accordion("Closed", open=False) as accordion:
                    inner = gr.Textbox("inner", label="Inner")
                with gr.Column(visible=False) as column:
                    hidden = gr.Textbox("unseen", label="Hidden", interactive=True)
                    choice = gr.Dropdown(["a", "b"], value="a", label="Choice")
                gr.File(file_types=[".txt"], label="File")
            with gr.Tab("Two", id="two") as two:
                later = gr.Textbox("later", label="Later")
                made = gr.Number(2, label="How many")

                @gr.render(made)
                def parts(n):
                    for i in range(int(n)):
                        gr.Textbox(f"part {i}", label=f"Part {i}")

        change, show, more, name, hide, fail, refuse = (
            gr.Button(text) for text in ("Change", "Show", "More", "Name", "Hide", "Fail", "Refuse")
        )
        change.click(
            lambda: ("changed", "inner 2", "seen", "b", "later 2"), None, [early, inner, hidden, choice, later]
        )
        hide.click(lambda: gr.update(visible=False), None, column)
        show.click(lambda: (gr.update(visible=True), gr.update(open=True)), None, [column, accordion])
        more.click(lambda: (3, gr.update(selected="two")), None, [made, tabs])
        name.click(lambda: gr.update(label="Second"), None, two)
        fail.click(failing, None, [early, hidden])
        refuse.click(lambda text: text, early, early, validator=lambda text: gr.validate(False, "Never this."))
        blocks.load(lambda: "loaded", None, early)
    return blocks


def seen(page: Page, url: str) -> list:
    """What the page shows after each step."""
    told = []
    page.goto(url)
    expect(page.get_by_label("Early")).to_have_value("loaded")
    for _ in range(2):  # a file of the wrong kind, and its notice is closed
        page.locator("input[type=file]").set_input_files({"name": "a.png", "mimeType": "image/png", "buffer": b"no"})
        wrong = page.locator("main .error").filter(visible=True)
        expect(wrong).to_be_visible()
        page.get_by_role("button", name="Clear").click()
        expect(wrong).to_have_count(0)
    for button, label, value in (
        ("Change", "Early", "changed"), ("Show", "Hidden", "seen"), ("Name", "Early", "changed"),
        ("Hide", "Early", "changed"), ("Show", "Hidden", "typed"),
        ("Fail", "Early", "begun"), ("Change", "Early", "changed"), ("Refuse", "Early", "changed"),
        ("Fail", "Early", "begun"), ("Fail", "Hidden", "begun too"), ("Show", "Early", "begun"),
        ("More", "Part 2", "part 2"), ("Change", "Later", "later 2"),
    ):  # fmt: skip
        if button == "Hide":
            page.get_by_label("Hidden").fill("typed")
        page.get_by_role("button", name=button, exact=True).click()
        expect(page.get_by_label(label)).to_have_value(value)
        if button == "Name":
            expect(page.get_by_role("tab", name="Second").first).to_be_visible()
        page.wait_for_timeout(300)
        inputs = page.locator("input, textarea").filter(visible=True).evaluate_all("all => all.map(one => one.value)")
        marked = page.locator("main").locator(".error, .generating, .pending, .validation-error").filter(visible=True)
        marks = marked.evaluate_all("all => all.map(one => one.className)")
        told.append((page.locator("main").inner_text(), inputs, marks))
    return told


def test_a_page_comes_to_the_same_with_gradios_own_script(browser: Browser):
    blocks, quicker = small_page(), page_script.quicker()
    blocks.launch(prevent_thread_lock=True, quiet=True, ssr_mode=False)
    try:
        told = {}
        for which, scripts in (("Gradio's", {}), ("quicker", quicker)):
            context = browser.new_context()
            page, complaints, fetched = context.new_page(), [], []
            page.on("pageerror", lambda error, to=complaints: to.append(str(error)))
            for name, text in scripts.items():

                def serve(route: Route, *, name=name, text=text, fetched=fetched) -> None:
                    fetched.append(name)
                    route.fulfill(body=text, content_type="text/javascript")

                page.route(f"**/assets/{name}", serve)
            told[which] = seen(page, blocks.local_url)
            assert not complaints and sorted(fetched) == sorted(scripts)
            context.close()
        assert told["quicker"] == told["Gradio's"]
        assert "Never this." in str(told) and "error" in str([marks for *_, marks in told["quicker"]])
    finally:
        blocks.close()
