"""Two dimensions of many, to look at: the principal components of each layer's features.

It does not know the labels. PCA and not UMAP: UMAP's picture depends on its seed and its number of neighbours, and can
show clusters where there are none; PCA has neither to choose, and is the same every time.

Each layer is turned so that it lies as much as possible like the one before it.
"""

from collections.abc import Sequence

import numpy as np
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from playground.arrays import Floats


def plane(features: Floats) -> tuple[Floats, Floats]:
    """The first two principal components of standardised features, (text, hidden).

    Returns:
        points, (text, 2), and the share of the variance that each component explains, (2,).
    """
    scaled = StandardScaler().fit_transform(features)
    if not scaled.any():
        return np.zeros((len(features), 2), np.float32), np.zeros(2)
    solver = "covariance_eigh" if features.shape[1] <= len(features) else "full"
    fitted = PCA(min(2, *features.shape), svd_solver=solver).fit(scaled)
    points, shares = np.zeros((len(features), 2), np.float32), np.zeros(2)
    points[:, : fitted.n_components_] = fitted.transform(scaled)
    shares[: fitted.n_components_] = fitted.explained_variance_ratio_
    return points, shares


def alike(planes: Sequence[Floats]) -> Floats:
    """Planes, (text, 2) each, with axes flipped where that makes one more like its predecessor: (layer, text, 2)."""
    turned = [planes[0]]
    for points in planes[1:]:
        signs = np.where((points * turned[-1]).sum(axis=0) < 0, -1, 1)
        turned.append((points * signs).astype(np.float32))
    return np.stack(turned)
