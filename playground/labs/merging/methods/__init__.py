"""The ways to blend weights, in the order of the page: each a module with its paper, its formula and its parameters."""

from playground.errors import PlaygroundError
from playground.labs.merging.methods import (
    breadcrumbs,
    dare,
    della,
    linear,
    model_stock,
    nuslerp,
    slerp,
    task_arithmetic,
    ties,
)
from playground.labs.merging.methods.method import Dialect, Election, How, Look, Method, Seen

__all__ = ["METHODS", "Dialect", "Election", "How", "Look", "Method", "Seen", "find"]

METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        linear.LINEAR,
        slerp.SLERP,
        nuslerp.NUSLERP,
        task_arithmetic.TASK_ARITHMETIC,
        ties.TIES,
        dare.DARE_LINEAR,
        dare.DARE_TIES,
        della.DELLA_LINEAR,
        della.DELLA,
        breadcrumbs.BREADCRUMBS,
        breadcrumbs.BREADCRUMBS_TIES,
        model_stock.MODEL_STOCK,
    )
}


def find(name: str) -> Method:
    """The method of a name.

    Raises:
        PlaygroundError: there is none; lists those there are.
    """
    if name not in METHODS:
        raise PlaygroundError(f"There is no merge method “{name}” here. Choose one of: {', '.join(METHODS)}.")
    return METHODS[name]
