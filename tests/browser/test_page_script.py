"""The faster functions of the page script answer as the ones that they replace, in the browser that runs them."""

from playwright.sync_api import Browser

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
