"""The mean of several checkpoints of one training, which is often better than any of them: DIR/checkpoint.pt.

    python -m training.masked_starter.average DIR before.pt:0.25 branch.pt:0.35 last.pt:0.4

Parts of a run that went on from the same point, each with its rates fallen to nearly zero, lie close enough together
for that (Wortsman et al. 2022, model soups). What the result says of steps and time is what the last of them says.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

State = Mapping[str, torch.Tensor]


def average(states: Sequence[State], weights: Sequence[float]) -> dict[str, torch.Tensor]:
    """The weighted mean, tensor by tensor; whole numbers, such as positions, are those of the last.

    What is equal in all stays so to the last bit: vectors that were never trained must cost nothing when packed.

    Raises:
        ValueError: the weights do not add up to 1, or the states have not the same names.
    """
    if abs(sum(weights) - 1) > 1e-6:
        raise ValueError(f"The weights add up to {sum(weights):g} and not to 1.")
    if any(state.keys() != states[-1].keys() for state in states):
        raise ValueError("These are checkpoints of different models.")
    return {
        name: last + sum(weight * (state[name] - last) for state, weight in zip(states, weights, strict=True))
        if last.is_floating_point()
        else last
        for name, last in states[-1].items()
    }


def main(arguments: list[str] | None = None) -> None:
    """Averages checkpoint files, each given as FILE:WEIGHT."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("parts", nargs="+", metavar="FILE:WEIGHT")
    given = parser.parse_args(arguments)
    files, weights = zip(*(part.rsplit(":", 1) for part in given.parts), strict=True)
    held = [torch.load(file, weights_only=True) for file in files]
    mean = average([one["model"] for one in held], list(map(float, weights)))
    torch.save({**held[-1], "model": mean}, given.folder / "checkpoint.pt")
    print(f"the mean of {len(files)} checkpoints is in {given.folder / 'checkpoint.pt'}")


if __name__ == "__main__":
    main()
