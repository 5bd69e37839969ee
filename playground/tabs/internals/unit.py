"""Which neuron is meant: three components that name one. It does not know whether the model has it."""

from dataclasses import dataclass

import gradio as gr

NEURON, DIMENSION = "MLP neuron", "Residual dimension"
KINDS = {NEURON: "neuron", DIMENSION: "dimension"}


@dataclass(frozen=True, eq=False)
class UnitBoxes:
    kind: gr.Radio
    layer: gr.Number
    index: gr.Number

    @property
    def parts(self) -> set[gr.components.Component]:
        return {self.kind, self.layer, self.index}

    def read(self, values: dict):
        """The labs.internals.neurons.Unit that the components stand on."""
        from playground.labs.internals.neurons import Unit

        return Unit(KINDS[values[self.kind]], int(values[self.layer] or 0), int(values[self.index] or 0))
