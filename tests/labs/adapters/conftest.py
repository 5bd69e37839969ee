"""A tiny Llama, three tiny adapters, and PEFT's own model around the same base."""

import pytest

from tests.labs.adapters import made


@pytest.fixture
def base():
    return made.engine()


@pytest.fixture
def three():
    return made.adapters()


@pytest.fixture(scope="session")
def peft_model():
    """PEFT's own model with the three adapters, named tiny0 to tiny2, in float32. Name what you add anew each time."""
    import peft
    import torch
    import transformers

    model = transformers.AutoModelForCausalLM.from_pretrained(made.base_folder(), dtype=torch.float32)
    model = peft.PeftModel.from_pretrained(model, made.folders()[0], adapter_name="tiny0")
    for i, folder in enumerate(made.folders()[1:], 1):
        model.load_adapter(folder, adapter_name=f"tiny{i}")
    return model.eval()
