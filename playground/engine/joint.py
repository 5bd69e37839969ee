"""Linear layers that read the same input, like queries, keys and values, multiplied in one product.

Decoding multiplies one row with every weight, and each product costs a start beside the bytes that it reads. The
modules stay where they are, with weights of their own (rows of the joint ones), so hooks and readouts work as before:
the first of them that is called computes for all, and leaves the others' share with the input. It does not know
which product that is: `rows` and `int8` do.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

_LEFT = "_playground_joint"  # the name under which an input carries the shares


class Joint:
    """The joint product of some layers for few rows."""

    def __init__(
        self,
        members: Sequence[nn.Module],
        weights: Callable[[nn.Module], Sequence[Tensor]],
        product: Callable[[Tensor], Tensor],
        most_rows: int = 1,
    ) -> None:
        """
        Args:
            weights: of a member, and its biases; they are parts of what the product uses. Asked for with every
                product, so quick.
            product: (row, in) -> (row, sum of out), biases added, for at most `most_rows`.
        """
        self.members = tuple(members)
        self._sizes = [member.out_features for member in members]
        self._weights, self._product, self._most_rows = weights, product, most_rows
        self._places = self._addresses()

    def products(self, rows: Tensor) -> Tensor | None:
        """What all members together make of (row, in): (row, sum of out).

        None: there are too many rows, or a member's weights have been replaced since.
        """
        return self._product(rows) if len(rows) <= self._most_rows and self._addresses() == self._places else None

    def share(self, place: int, inputs: Tensor) -> Tensor | None:
        """What member number `place` makes of one row, (out,). None: a member's weights have been replaced since."""
        left = getattr(inputs, _LEFT, None)
        if left is None or left[0] is not self:
            if self._addresses() != self._places:
                return None
            left = (self, self._product(inputs.reshape(1, -1))[0].split(self._sizes))
            setattr(inputs, _LEFT, left)
        return left[1][place]

    def _addresses(self) -> list[int]:
        return [part.data_ptr() for member in self.members for part in self._weights(member)]


def unite(model: nn.Module, run: Callable[[], object], kinds: Sequence[type[nn.Module]]) -> None:
    """Joins the layers that are given the very same input within one parent, found by running the model once.

    Call it before anybody else has the model: it puts hooks on it, and takes them off again.

    Args:
        run: sends a few tokens through the model.
        kinds: classes of layers, each with a function `join(layers)` that gives them one product.
    """
    parents = {child: parent for parent in model.modules() for child in parent.children() if type(child) in kinds}
    readers: dict[tuple[nn.Module, type[nn.Module], int], dict[nn.Module, None]] = defaultdict(dict)
    kept: list[Tensor] = []  # alive, so that no two inputs have the same id

    def note(layer: nn.Module, inputs: tuple[object, ...]) -> None:
        if inputs and isinstance(inputs[0], Tensor):
            kept.append(inputs[0])
            readers[parents[layer], type(layer), id(inputs[0])][layer] = None

    hooks = [layer.register_forward_pre_hook(note) for layer in parents]
    try:
        with torch.inference_mode():
            run()
    finally:
        for hook in hooks:
            hook.remove()
    joined: set[nn.Module] = set()
    for (_, kind, _), layers in readers.items():
        family = [layer for layer in layers if layer not in joined]
        if len(family) > 1:
            joined.update(family)
            kind.join(family)
