"""BEIR's format -> documents and questions: corpus.jsonl, queries.jsonl and a TSV of judgements (Thakur et al. 2021).

It does not search them.
"""

import io
import json
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from playground.errors import PlaygroundError
from playground.labs.retrieval import questions as asked
from playground.labs.retrieval.documents import Document, Section
from playground.labs.retrieval.questions import Question, Relevant

if TYPE_CHECKING:
    from playground.engine.engine import Engine
    from playground.labs.retrieval.store import Collection

MOST_DOCUMENTS = 100_000
MOST_BYTES = 300_000_000  # unpacked
_TOGETHER = 64  # documents between two reports
_FORM = (
    "BEIR's format has corpus.jsonl (_id, title, text), queries.jsonl (_id, text) and a TSV with the columns query-id, "
    "corpus-id and score, like qrels/test.tsv."
)


@dataclass(frozen=True)
class Benchmark:
    documents: tuple[Document, ...]
    questions: tuple[Question, ...]  # those with judgements


def unpack(data: bytes) -> Benchmark:
    """From a ZIP that holds the three files, in any folder; of several TSVs, the one called test.

    Raises:
        PlaygroundError: they are not there, or cannot be read.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = [each for each in archive.infolist() if not each.is_dir()]
            names = {PurePosixPath(each.filename).name: each for each in members}
            tables = sorted(name for name in names if name.endswith(".tsv"))
            if "corpus.jsonl" not in names or "queries.jsonl" not in names or not tables:
                raise PlaygroundError(f"This ZIP is no benchmark that can be read. {_FORM}")
            table = "test.tsv" if "test.tsv" in tables else tables[0]
            wanted = [names[name] for name in ("corpus.jsonl", "queries.jsonl", table)]
            if sum(each.file_size for each in wanted) > MOST_BYTES:
                raise PlaygroundError(
                    f"It unpacks to more than {MOST_BYTES // 1_000_000} MB. Give a smaller benchmark."
                )
            contents = [_bounded(archive, each) for each in wanted]
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, OSError, EOFError):
        raise PlaygroundError(f"This is no ZIP that can be opened. {_FORM}") from None
    return read(*contents)


def _bounded(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """Never more than the size it declares, whatever it unpacks to."""
    with archive.open(member) as file:
        content = file.read(member.file_size + 1)
    if len(content) > member.file_size:
        raise PlaygroundError(f"{member.filename} is larger than it says. Pack the files anew.")
    return content


def read(corpus: bytes, queries: bytes, qrels: bytes) -> Benchmark:
    """From the three files' contents.

    Raises:
        PlaygroundError: one of them cannot be read; names the line.
    """
    documents = []
    for number, row in _objects("corpus.jsonl", corpus):
        title, text = str(row.get("title") or "").strip(), row.get("text")
        if not isinstance(text, str):
            raise PlaygroundError(f"Line {number} of corpus.jsonl has no text. {_FORM}")
        whole = "\n".join(part for part in (title, text) if part.strip())
        if whole:
            documents.append(Document(_id(row, number, "corpus.jsonl"), "text", whole, (Section(0, title),)))
        if len(documents) > MOST_DOCUMENTS:
            raise PlaygroundError(f"There are more than {MOST_DOCUMENTS:,} documents. Give a smaller corpus.")
    if not documents or len({each.name for each in documents}) < len(documents):
        raise PlaygroundError(f"corpus.jsonl holds no documents, or two with one _id. {_FORM}")
    texts = {_id(row, n, "queries.jsonl"): row.get("text") for n, row in _objects("queries.jsonl", queries)}
    judged = _judgements(qrels)
    found = []
    for id, relevant in judged.items():
        text = texts.get(id)
        if not isinstance(text, str) or not text.strip():
            raise PlaygroundError(f"There is no query “{id[:80]}”, which the judgements name. {_FORM}")
        if relevant:
            found.append(Question(id, text, tuple(Relevant(name, "", grade) for name, grade in relevant.items())))
    return Benchmark(tuple(documents), asked.checked(found))


def _id(row: Mapping[str, Any], number: int, name: str) -> str:
    id = row.get("_id")
    if not isinstance(id, (str, int)) or isinstance(id, bool) or not str(id):
        raise PlaygroundError(f"Line {number} of {name} has no _id. {_FORM}")
    return str(id)


def _objects(name: str, data: bytes) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for number, line in enumerate(_text(name, data).split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, Mapping):
            raise PlaygroundError(f"Line {number} of {name} is no JSON object. {_FORM}")
        yield number, row


def _judgements(data: bytes) -> dict[str, dict[str, float]]:
    """By query: the documents that are relevant, with their grades. Grades of 0 and less are left out."""
    rows = (line.rstrip("\r").split("\t") for line in _text("the TSV", data).split("\n"))
    found: dict[str, dict[str, float]] = {}
    for number, row in enumerate(rows, 1):
        if row == [""] or (number == 1 and row[-1].strip().lower() == "score"):
            continue
        try:
            query, document, grade = row[0], row[-2], float(row[-1])  # trec's four columns have one between
            if len(row) not in (3, 4) or not 0 <= abs(grade) < 1e6:
                raise ValueError
        except (ValueError, IndexError):
            raise PlaygroundError(f"Line {number} of the TSV is no judgement. {_FORM}") from None
        found.setdefault(query, {})
        if grade > 0:
            found[query][document] = grade
    return found


def _text(name: str, data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise PlaygroundError(f"{name} is not UTF-8 text. Save it in UTF-8.") from None


def indexed(
    benchmark: Benchmark, encoder: "Engine", stopped: Callable[[], bool] = lambda: False
) -> Iterator[tuple[float, "Collection | None"]]:
    """Embeds the documents, whole where they fit; yields the fraction done, with the collection at the end. Nothing is
    written to disk."""
    import numpy as np

    from playground.engine import embed
    from playground.labs.retrieval import chunking, store

    how = chunking.Chunking("sentences", chunking.room(encoder), 0)
    chunks, vectors = [], []
    for begin in range(0, len(benchmark.documents), _TOGETHER):
        batch = [c for each in benchmark.documents[begin : begin + _TOGETHER] for c in chunking.cut(each, encoder, how)]
        made = embed.embed(encoder, [chunk.text for chunk in batch], stopped=stopped) if batch else None
        if stopped():
            return
        if made is not None:
            chunks += batch
            vectors.append(made)
        yield min((begin + _TOGETHER) / len(benchmark.documents), 0.999), None
    texts = {each.name: each.text for each in benchmark.documents}
    yield 1.0, store.in_memory("benchmark", encoder.reference, how, texts, chunks, np.concatenate(vectors))
