"""How sure it is that a chunk answers a query, for deciding whether to answer at all: by meaning and by words.

A cosine alone cannot tell a question on the subject from one that the documents answer; a name that stands nowhere
tells much. It does not rank chunks.
"""

import math

import numpy as np

from playground.arrays import Floats
from playground.labs.retrieval.lexical import Bm25, stems


def coverage(lexical: Bm25, query: str) -> Floats:
    """Share of the query's words that each text has, (text,), 0 to 1; rare words weigh more, by BM25's inverse document
    frequency, and one that no text has weighs most. 0 everywhere when no word counts."""
    weights = {stem: _rarity(lexical.n_with(stem), lexical.n_texts) for stem in stems(query)}
    shares = np.zeros(lexical.n_texts, np.float32)
    for stem, weight in weights.items():
        places, scores = lexical.postings(stem)
        shares[places[scores > 0]] += weight
    return shares / (sum(weights.values()) or 1.0)


def _rarity(n_with: int, n_texts: int) -> float:
    return math.log(1 + (n_texts - n_with + 0.5) / (n_with + 0.5))


def confidence(cosines: Floats, shares: Floats) -> Floats:
    """Two thirds cosine and one third coverage of each chunk: a mixture that was chosen on the tuning questions. The
    best of them is what a refusal goes by."""
    return (2 * np.asarray(cosines) + np.asarray(shares)) / 3
