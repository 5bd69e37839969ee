"""Hits, answers, documents and reasons in words, as safe HTML: nothing of a document is ever taken as markup.

It computes nothing and does not wait for torch or Plotly.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from playground.labs.retrieval import microscope
from playground.views.continuations import note
from playground.views.quantities import of

if TYPE_CHECKING:
    from playground.labs.retrieval.answering import Answer
    from playground.labs.retrieval.checks import Sentence
    from playground.labs.retrieval.indexing import Outcome, Progress
    from playground.labs.retrieval.library import Listing
    from playground.labs.retrieval.microscope import WhyNot
    from playground.labs.retrieval.search import Found, Hit
    from playground.labs.retrieval.store import Collection

METHODS = {"hybrid": "words and meaning", "bm25": "words (BM25)", "dense": "meaning (vectors)"}
_MOST_SHOWN = 900  # characters of a chunk in the list
_CITED = re.compile(r"\[(\d{1,3}(?:\s*,\s*\d{1,3})*)\]")
_HEADING = re.compile(r"^#{1,6} (.+)\n*", re.MULTILINE)


def marked(text: str, spans: Sequence[tuple[int, int]]) -> str:
    """The text with some stretches marked."""
    parts, at = [], 0
    for start, end in sorted(spans):
        if start >= at:
            parts += [escape(text[at:start]), "<mark>", escape(text[start:end]), "</mark>"]
            at = end
    return "".join([*parts, escape(text[at:])])


def _rank(what: str, rank: int | None, score: float | None, digits: int) -> str:
    if score is None:
        return ""
    place = f"number {rank}" if rank else "not among the best"
    return f"<span class='rank'><b>{what}</b> {place}, {score:.{digits}f}</span>"


def hits(found: Found | None, collection: Collection | None, picked: int | None = None) -> str:
    """What was found, best first. A button of each opens it: `data-at` is its row."""
    if found is None or collection is None:
        return note("Ask something, and the passages that were found stand here, with the reason for each.")
    items = []
    for hit in found.hits:
        chunk = collection.chunks[hit.id]
        text = chunk.text[:_MOST_SHOWN] + ("…" if len(chunk.text) > _MOST_SHOWN else "")
        body = _HEADING.sub(r"<b>\1</b>\n", marked(text, microscope.matches(found.query, text)))
        items.append(
            f"<li class='{'picked' if hit.id == picked else ''}'><p class='place'><b>{hit.rank}</b> "
            f"{escape(chunk.place)}"
            f"</p><p class='passage'>{body}</p><p class='ranks'>{_ranks(found, hit)}"
            f"<button type='button' class='act' data-at='{hit.id}'>Under the microscope</button></p></li>"
        )
    how = METHODS[found.how.method]
    if found.how.method == "hybrid":
        how += ", by reciprocal rank" if found.how.fusion == "rrf" else f", {found.how.weight:.0%} meaning"
    said = f"{len(found.hits)} of {of(found.n_chunks, 'chunk')} by {how}. Marked: words of the question."
    notes = "".join(note(each) for each in (*found.notes, *collection.troubles))
    return f"{note(said)}{notes}<ol class='hits'>{''.join(items)}</ol>"


def _ranks(found: Found, hit: Hit) -> str:
    parts = [_rank("Words", hit.bm25_rank, hit.bm25, 2), _rank("Meaning", hit.dense_rank, hit.cosine, 3)]
    if found.how.method == "hybrid" and hit.reranked is None:
        parts.append(f"<span class='rank'><b>Rank score</b> {hit.score:.3f}</span>")
    if hit.reranked is not None:
        parts.append(f"<span class='rank'><b>Reranked</b> {hit.reranked:.2f}, before: number {hit.rank_before}</span>")
    elif hit.rank_before is not None:
        parts.append(f"<span class='rank'>before spreading out: number {hit.rank_before}</span>")
    return "".join(parts)


def answer(now: Answer | None, ids: Sequence[int] = ()) -> str:
    """An answer with its citations as buttons (`data-at` is the chunk's row), and each sentence's check."""
    if now is None:
        return note("The answer stands here, each sentence checked against the passage that it cites.")
    if now.refused:
        return f"<div class='answer refused'><p>{escape(now.text)}</p></div>" + note(
            f"The best chunk has a confidence of {now.confidence or 0:.3f} (two thirds cosine, one third share of the "
            f"question's words), below the threshold of {now.threshold:.2f}, so no model was "
            "asked. Small models answer such questions with something made up."
        )
    if not now.sentences:
        doing = note(f"{now.doing} …") if now.doing else ""
        return f"<div class='answer'><p>{_cited(now.text, ids)}</p></div>{doing}{_about(now)}"
    body = "".join(_sentence(each, now, ids) for each in now.sentences)
    checks = "".join(_check(number, each, now) for number, each in enumerate(now.sentences, 1))
    n, good = len(now.sentences), now.supported
    verdict = (
        (
            "The sentence is supported by what it cites."
            if n == 1
            else f"All {n} sentences are supported by what they cite."
        )
        if good == n
        else f"{n - good} of {n} sentence{'' if n == 1 else 's'} not supported by what is cited: look there first."
    )
    return (
        f"<div class='answer'><p>{body}</p></div><p class='verdict {'good' if good == n else 'bad'}'>{verdict}</p>"
        f"<ol class='checks-of'>{checks}</ol>{_about(now)}"
    )


def _cited(text: str, ids: Sequence[int]) -> str:
    """Escaped text in which each citation of a passage is a button that opens it."""

    def button(match: re.Match[str]) -> str:
        made = []
        for number in match[1].split(","):
            at = int(number) - 1
            if 0 <= at < len(ids):
                made.append(
                    f"<button type='button' class='cite' data-at='{ids[at]}' title='Open passage {at + 1}'>"
                    f"[{at + 1}]</button>"
                )
            else:
                made.append(f"<s title='There is no such passage'>[{escape(number.strip())}]</s>")
        return "".join(made)

    return _CITED.sub(button, escape(text))


def _sentence(each: Sentence, now: Answer, ids: Sequence[int]) -> str:
    kind, sign = ("good", "") if each.supported else ("bad", "<sup>not supported</sup>")
    return f"<span class='said {kind}' title='{escape(each.why, quote=True)}'>{_cited(each.text, ids)}{sign}</span> "


def _check(number: int, each: Sentence, now: Answer) -> str:
    gains = "; ".join(f"passage {i}: {gain:+.2f}" for i, gain in enumerate(each.gains, 1))
    quote = f"<q>{escape(each.quote[:300])}</q>" if each.quote else ""
    added = f" What each passage adds to it, in nats a token: {gains}." if gains else ""
    return f"<li>{escape(each.why)}{escape(added)} {quote}</li>"


def _about(now: Answer) -> str:
    strategy = now.strategy
    n = len(now.passages)
    used = f"It was given {n} passage{'' if n == 1 else 's'}. " if strategy else ""
    cosine = "" if now.confidence is None else f" Confidence {now.confidence:.3f}, threshold {now.threshold:.2f}."
    told = note(f"{used}{strategy.reason if strategy else ''}{cosine}")
    prompt = (
        "<details class='prompt'><summary>Exactly what the model was given</summary>"
        f"<pre>{escape(now.prompt)}</pre></details>"
    )
    return told + "".join(note(each) for each in now.notes) + (prompt if now.prompt else "")


def terms(found: microscope.WhyNot) -> str:
    """The query's words and what each adds to BM25, as a table."""
    if not found.terms:
        return note("The question has no word that counts for BM25: all are stop words.")
    most = max((term.score for term in found.terms), default=0) or 1
    rows = "".join(
        f"<tr><th scope='row'>{escape(term.stem)}</th><td>{term.score:.2f}</td><td><meter min='0' max='1' "
        f"value='{term.score / most:.3f}' aria-label='share of the largest'></meter></td>"
        f"<td>{term.n_chunks:,}</td></tr>"
        for term in found.terms
    )
    return (
        "<div class='wide' tabindex='0' role='region' aria-label='Words'><table class='words'><thead><tr>"
        "<th scope='col'>Word (stem)</th><th scope='col'>adds to BM25</th><th scope='col'>of the largest</th>"
        f"<th scope='col'>chunks that have it</th></tr></thead><tbody>{rows}</tbody></table></div>"
    )


def why(it: WhyNot | None) -> str:
    if it is None:
        return note("Pick any chunk to see why it was found, or why not.")
    listed = "".join(f"<li>{escape(each)}</li>" for each in it.sentences)
    text = _HEADING.sub(r"<b>\1</b>\n", escape(it.chunk.text[:500]))
    say = note("Pick any chunk: one that you expected, say. It then stands under the microscope.")
    return f"{say}<p class='place'>{escape(it.chunk.place)}</p><ul>{listed}</ul><p class='passage'>{text}</p>"


def place(collection: Collection, it: WhyNot, query: str) -> str:
    """The chunk in its document."""
    before, own, after = microscope.surroundings(collection.text(it.chunk.document), it.chunk)
    body = marked(own, microscope.matches(query, own))
    where = f"characters {it.chunk.start:,} to {it.chunk.end:,}, {it.chunk.n_tokens} tokens"
    return (
        f"<p class='place'>{escape(it.chunk.place)} <small>({where})</small></p><div class='document' tabindex='0' "
        f"role='region' aria-label='The chunk in its document'><span>{escape(before)}</span><b>{body}</b>"
        f"<span>{escape(after)}</span></div>"
    )


def borders(collection: Collection, document: str, most: int = 20_000) -> str:
    """A document's text with its chunks; where two overlap, that is shown too."""
    text = collection.text(document)
    chunks = [chunk for chunk in collection.chunks if chunk.document == document and chunk.start < most]
    edges = sorted({0, min(len(text), most), *(p for c in chunks for p in (c.start, min(c.end, most)))})
    parts = []
    for a, b in itertools.pairwise(edges):
        own = [number for number, c in enumerate(chunks, 1) if c.start <= a and c.end >= b]
        starts = [number for number, c in enumerate(chunks, 1) if c.start == a]
        flags = "".join(f"<small title='{chunks[n - 1].n_tokens} tokens'>{n}</small>" for n in starts)
        kind = "two" if len(own) > 1 else f"c{own[0] % 2}" if own else ""
        parts.append(f"{flags}<span class='{kind}'>{escape(text[a:b])}</span>")
    lost = sum(chunk.lost for chunk in chunks)
    n = [chunk.n_tokens for chunk in chunks] or [0]
    said = (
        f"{of(len(chunks), 'chunk')} of {_range(min(n), max(n))}, by {collection.chunking.by}. "
        + (f"{lost:,} tokens are beyond what the embedding model reads." if lost else "No token is lost to truncation.")
        + (f" The first {most:,} characters are shown." if len(text) > most else "")
    )
    legend = "A number stands where a chunk begins; a dotted line is under text that two chunks share."
    return (
        f"{note(said)}{note(legend)}<div class='document borders' tabindex='0' role='region' "
        f"aria-label='The document with its chunks'>{''.join(parts)}</div>"
    )


def _range(least: int, most: int) -> str:
    return of(most, "token") if least == most else f"{least} to {of(most, 'token')}"


def documents(collection: Collection, listing: Listing) -> str:
    """What is in a collection, as a table, and how it is searched."""
    rows = "".join(
        f"<tr><th scope='row'>{escape(each.name)}</th><td>{escape(each.kind)}</td><td>{each.n_characters:,}</td>"
        f"<td>{each.n_chunks:,}</td><td>{escape(' '.join(each.notes))}</td></tr>"
        for each in collection.documents[:500]
    )
    more = len(collection.documents) - 500
    kind = collection.dense.kind
    said = (
        f"{of(len(collection.documents), 'document')}, {of(len(collection.chunks), 'chunk')} by "
        f"{collection.chunking.by} of up to {collection.chunking.size} ({collection.chunking.overlap} shared), "
        f"embedded by {collection.reference}. Index: {kind.name}, because {kind.reason}."
        + (f" Recall against comparing with all: {collection.dense.recall:.1%}." if kind.name != "flat" else "")
    )
    troubles = "".join(f"<p class='verdict bad'>{escape(each)}</p>" for each in collection.troubles)
    table = (
        "<div class='wide' tabindex='0' role='region' aria-label='Documents'><table class='words'><thead><tr>"
        "<th scope='col'>Document</th><th scope='col'>Kind</th><th scope='col'>Characters</th>"
        f"<th scope='col'>Chunks</th><th scope='col'>Notes</th></tr></thead><tbody>{rows}</tbody></table></div>"
    )
    shown = table if collection.documents else note("It is empty. Add files or paste a text.")
    return f"{note(said)}{troubles}{shown}" + (note(f"… and {more:,} more.") if more > 0 else "")


def unread(sources: Sequence[tuple[str, bytes]]) -> str:
    """The documents of a collection that was not indexed yet."""
    rows = "".join(
        f"<tr><th scope='row'>{escape(name)}</th><td>{escape(_title(content))}</td><td>{len(content):,}</td></tr>"
        for name, content in sources
    )
    said = (
        f"{of(len(sources), 'document')}, written for this page. Those that are not indexed yet are when a question "
        "is asked, which may take some seconds."
    )
    return (
        note(said) + "<div class='wide' tabindex='0' role='region' aria-label='Documents'>"
        "<table class='words'><thead><tr><th scope='col'>Document</th><th scope='col'>What it is about</th>"
        f"<th scope='col'>Bytes</th></tr></thead><tbody>{rows}</tbody></table></div>"
    )  # fmt: skip


def _title(content: bytes) -> str:
    return content.decode("utf-8", "replace").partition("\n")[0].lstrip("# ")


SAID = {
    "indexed": "added", "replaced": "replaced", "already there": "was there already",
    "duplicate": "left out: a duplicate",
    "failed": "not added",
}  # fmt: skip


def outcomes(found: Sequence[Outcome]) -> str:
    """What became of each file."""
    if not found:
        return ""
    rows = "".join(
        f"<li class='{'bad' if each.state == 'failed' else 'good'}'><b>{escape(each.name)}</b>: {SAID[each.state]}"
        f"{', ' + of(each.n_chunks, 'chunk') if each.n_chunks else ''}. {escape(each.said)}</li>"
        for each in found[-200:]
    )
    return f"<ul class='outcomes'>{rows}</ul>"


def adding(now: Progress) -> str:
    """How far indexing is."""
    said = f"{now.doing} … {of(now.n_chunks, 'chunk')}, {now.chunks_per_second:.0f} a second" if now.doing else ""
    if said and now.seconds_left is not None:
        left = now.seconds_left
        said += f", about {f'{left:.0f} s' if left < 100 else f'{left / 60:.0f} min'} left"
    return _progress(now.fraction, said)


def fetching(n_done: int, n: int) -> str:
    """How many pages of the web have come."""
    return _progress(n_done / n, f"Fetched {n_done} of {of(n, 'page')} …")


def _progress(fraction: float, said: str) -> str:
    return (
        f'<div class="progress"><progress max="1" value="{fraction:.3f}" aria-label="Progress"></progress>'
        f"{note(said)}</div>"
    )
