"""What goes into a report's file, in a browser without the app: nothing that runs or fetches, and every number."""

import json
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.browser.reports import open_report

ROOT = Path(__file__).parents[2]
HOSTILE = (
    "<p class='note' onclick='alert(1)'>0.4217 <b>bold</b></p><script>alert(2)</script>"
    "<img src=x onerror='alert(3)'><img alt='kept' src='data:image/png;base64,iVBORw0KGgo='>"
    "<a href='javascript:alert(4)'>a link</a><svg><script>alert(5)</script><circle r='3' onload='alert(6)'/></svg>"
    "<iframe srcdoc='<script>alert(7)</script>'></iframe><input value='secret'><button class='act'>Press</button>"
    "<table><tr><td><button data-at='1,2' id='cell'>77</button></td></tr></table>"
    "<p style='background:url(http://127.0.0.1:9/a.png)'>styled</p><p style='--strength:0.5'>shaded</p>"
    "<style>body{display:none}</style><math><mtext><style><img src=x onerror=alert(8)></style></mtext></math>"
    "<form action='http://127.0.0.1:9/'><input name='a'></form><meter value='0.5'></meter>"
)
ENTRY = {
    "place": ["Bias", "Pairs"],
    "model": "revision abc, cpu, bf16",
    "asked": [
        [{"label": "Model in use", "kind": "dropdown", "model": True}, "a/b"],
        [{"label": "Text", "kind": "textbox"}, "</div><script>alert(9)</script> asked"],
        [{"label": "Empty", "kind": "textbox"}, ""],
        [{"label": "Greedy", "kind": "checkbox"}, True],
        [{"label": "Rows", "kind": "dataframe"}, {"headers": ["x"], "data": [[1.25], ["<b>"]]}],
    ],
    "shown": [
        [{"kind": "html", "id": "grid", "around": ["lens"], "title": "All numbers"}, HOSTILE],
        [
            {"kind": "chatbot", "id": "talk", "around": [], "title": ""},
            [
                {"role": "user", "content": [{"type": "text", "text": "Say <\u2060b>hi"}]},
                {"role": "assistant", "content": [{"type": "text", "text": "<script>x"}, {"text": r"3 \~ tokens"}]},
            ],
        ],
        [{"kind": "plot", "id": "chart", "around": [], "title": ""}, {"plot": json.dumps({"data": [{"y": [1]}]})}],
        [{"kind": "code", "id": "code", "around": [], "title": "Python"}, "print('</pre><script>')"],
    ],
}
CSS = """
#grid td button { color: rgb(1, 2, 3) } /* } */ .dark .note { color: rgb(9, 9, 9) } .nobody { color: red }
.note { color: var(--ink); border: 1px solid var(--line); border-left-width: 4px }
@media (min-width: 1px) { #lens .note:hover, .note b { font-weight: 300 } }
#grid p { background: url(http://127.0.0.1:9/) }
"""
MAKE = """async ([entry, css]) => {
  const light = {'--ink': 'var(--deep)', '--deep': 'rgb(4, 5, 6)', '--line': '#111', '--other': 'red'};
  const themes = {light, dark: {'--deep': '#fff'}};
  const page = {css, own: '', themes, versions: 'torch 1'};
  const head = {title: 'A </title><script>alert(10)</script> title', about: 'Note', when: new Date(0), dropped: ''};
  window.drawn = [];
  const draw = async (what) => { window.drawn.push(what); return 'data:image/svg+xml,%3Csvg%2F%3E'; };
  return reportOf([{...entry, when: new Date(0)}], head, page, draw);
}"""


@pytest.fixture
def maker(browser) -> Page:
    page = browser.new_page()
    page.add_script_tag(content=(ROOT / "assets" / "report-file.js").read_text("utf-8"))
    yield page
    page.close()


def test_a_report_is_inert_and_whole(maker, browser, tmp_path, accessible):
    written = maker.evaluate(MAKE, [ENTRY, CSS])
    assert maker.evaluate("window.drawn[0].layout") == {"width": 820, "height": 450}
    assert maker.evaluate("window.drawn[0].data") == [{"y": [1]}]
    file = tmp_path / "report.html"
    file.write_text(written, "utf-8")
    page, wrong = open_report(browser, file)
    assert page.locator("script, iframe, form, input, button, object, math, link, body style").count() == 0
    attributes = page.evaluate("[...document.querySelectorAll('*')].flatMap(e => [...e.attributes].map(a => a.name))")
    assert not [name for name in attributes if name.startswith("on") or name in ("srcdoc", "action", "xlink:href")]
    assert page.evaluate("[...document.querySelectorAll('[href]')].map(e => e.getAttribute('href'))") == []
    assert page.locator("meta[http-equiv]").get_attribute("content").startswith("default-src 'none';")
    assert page.title() == "A </title><script>alert(10)</script> title"

    shown = page.locator("section")
    for text in (
        "0.4217 bold",
        "a link",
        "77",
        "styled",
        "</div><script>alert(9)</script> asked",
        "Say <b>hi",
        "<script>x",
    ):
        assert text in shown.inner_text(), text
    assert "3 ~ tokens" in shown.inner_text()
    assert "Press" not in shown.inner_text()
    assert "secret" not in page.content()
    assert "this file has none" in shown.inner_text(), "of the frame a sentence is left"
    assert shown.locator("img[alt=kept]").count() == 1
    assert shown.locator("circle, meter").count() == 2
    assert shown.locator("pre").text_content() == "print('</pre><script>')"
    settings = shown.locator("dl.settings").inner_text()
    assert "Greedy\nyes" in settings
    assert "Empty" not in settings
    assert shown.locator("details table td").all_text_contents() == ["1.25", "<b>"]
    assert "a/b" in page.locator("header").inner_text()
    assert page.locator("nav").count() == 0, "of one result no contents are needed"

    style = page.evaluate("s => getComputedStyle(document.querySelector(s)).color", "td .was-button")
    assert style == "rgb(1, 2, 3)", "rules of a button and of an id are carried over"
    look = page.evaluate("(() => { const s = getComputedStyle(document.querySelector('.id-grid .note'));"
                         "return [s.color, s.borderLeftWidth, s.borderTopWidth, s.borderTopColor] })()")  # fmt: skip
    assert look == ["rgb(4, 5, 6)", "4px", "1px", "rgb(17, 17, 17)"]
    css = page.locator("head style").text_content()
    assert "nobody" not in css
    assert "--other" not in css
    assert "http" not in css
    accessible(page)
    assert not wrong
    page.context.close()


def test_what_cannot_be_drawn_is_said_and_the_rest_stays(maker):
    broken = {**ENTRY, "shown": [[{"kind": "plot", "id": "p", "around": [], "title": ""}, {"plot": "no JSON"}]]}
    assert "could not be drawn" in maker.evaluate(MAKE, [broken, ""])


def test_where_a_browser_keeps_nothing_the_shelf_is_empty_and_nothing_fails(browser):
    page = browser.new_page()  # about:blank may neither use sessionStorage nor IndexedDB
    page.add_script_tag(content=(ROOT / "assets" / "report-kept.js").read_text("utf-8"))
    refused = "() => { try { sessionStorage.length; return false } catch { return true } }"
    assert page.evaluate(refused)
    tried = "async () => { const it = shelf(visitOf()); await it.put({number: 1, when: new Date()}); return it.all(); }"
    assert page.evaluate(tried) == []
    assert (
        page.evaluate("async () => { await shelf('a visit').drop({number: 1}); return shelf('a visit').all(); }") == []
    )
    page.close()
