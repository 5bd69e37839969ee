"""The faster functions of the page script answer as the ones that they replace, in the browser that runs them."""

from playwright.sync_api import Browser

from playground.tabs import lookups

BOTH = """([[find, byTable], [events, byOwnTable], name]) => {
    let chance = 7;
    const random = (n) => (chance = (chance * 16807) % 2147483647) % n;
    let count = 0;
    const grow = (depth) => ({id: count++, props: {shared_props: {}},
        children: depth ? Array.from({length: 2 + random(3)}, () => grow(depth - 1)) : undefined});
    const root = grow(5), all = [];
    const walk = (node) => { all.push(node); node.children?.forEach(walk); };
    walk(root);
    const functions = [find, byTable].map((text) => new Function(`${text}; return ${name};`)());
    let wrong = 0;
    for (const under of [root, root.children[0], all[all.length - 1]])
        for (let id = -2; id < count + 2; id++)
            if (functions[0](under, id) !== functions[1](under, id)) wrong++;
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
    script = next(text for path in lookups.SCRIPTS.glob("core-*.js") if lookups.FIND.search(text := path.read_text()))
    pairs = []
    for pattern, replacement in ((lookups.FIND, lookups.FIND_BY_TABLE), (lookups.EVENTS, lookups.EVENTS_BY_TABLE)):
        found = pattern.search(script)
        pairs.append([found[0], found.expand(replacement)])
    page = browser.new_page()
    counted = page.evaluate(BOTH, [*pairs, lookups.FIND.search(script)["name"]])
    page.close()
    assert counted["nodes"] > 100
    assert counted["wrong"] == 0
