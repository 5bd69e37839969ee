"""Likeness of texts against scikit-learn and made-up vectors whose groups are known."""

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score, silhouette_score
from sklearn.metrics.pairwise import cosine_similarity

from playground.errors import PlaygroundError
from playground.labs.retrieval import similarity


def clouds(sizes=(12, 8, 5), seed: int = 0) -> tuple[np.ndarray, list[int]]:
    rng = np.random.default_rng(seed)
    points = [np.eye(16)[i] + 0.06 * rng.standard_normal((n, 16)) for i, n in enumerate(sizes)]
    vectors = np.concatenate(points)
    truth = [i for i, n in enumerate(sizes) for _ in range(n)]
    order = rng.permutation(len(truth))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True))[order]
    return vectors.astype(np.float32), [truth[i] for i in order]


def test_groups_are_found_with_their_number():
    vectors, truth = clouds()
    found = similarity.group(vectors)
    assert adjusted_rand_score(truth, found.labels) == 1.0
    assert max(found.tried, key=lambda each: each[1])[0] == 3
    assert found.silhouette == pytest.approx(silhouette_score(vectors, found.labels), abs=1e-6)
    counts = [found.labels.count(label) for label in range(3)]
    assert counts == [12, 8, 5]  # the largest first


def test_the_centre_of_a_group_is_its_member_nearest_to_the_mean():
    vectors, _ = clouds()
    found = similarity.group(vectors, 3)
    for label, centre in enumerate(found.centres):
        members = [at for at, each in enumerate(found.labels) if each == label]
        mean = vectors[members].mean(0, keepdims=True)
        assert centre == members[int(cosine_similarity(vectors[members], mean)[:, 0].argmax())]


def test_the_plane_holds_as_much_variance_as_scikit_learns():
    from sklearn.decomposition import PCA

    vectors, _ = clouds()
    found = similarity.group(vectors, 3)
    reference = PCA(2).fit(vectors)
    assert found.explained == pytest.approx(reference.explained_variance_ratio_, abs=1e-5)
    assert np.abs(found.points) == pytest.approx(np.abs(reference.transform(vectors)), abs=1e-4)


def test_the_nearest_are_those_of_brute_force():
    vectors, _ = clouds()
    query = vectors[3]
    expected = np.argsort(-cosine_similarity(vectors, query[None])[:, 0], kind="stable")[:4]
    assert [at for at, _ in similarity.nearest(vectors, query, 4)] == expected.tolist()


@pytest.mark.parametrize(("n", "said"), [(1, "can make"), (25, "can make")])
def test_numbers_of_groups_that_cannot_be_are_refused(n, said):
    with pytest.raises(PlaygroundError, match=said):
        similarity.group(clouds()[0], n)


def test_the_same_text_again_and_again_makes_no_groups():
    with pytest.raises(PlaygroundError, match="three different"):
        similarity.group(np.tile(np.eye(4, dtype=np.float32)[:2], (5, 1)))


def test_lines_are_one_text_each():
    assert similarity.lines(" a \n\n b\r\nc ") == ("a", "b", "c")
    with pytest.raises(PlaygroundError, match="at most 500"):
        similarity.lines("x\n" * 501)
    with pytest.raises(PlaygroundError, match="characters"):
        similarity.lines("x" * 30_000)
