"""The Python that makes a probing's accuracy again, with transformers and scikit-learn alone.

It does not run it: a test does.
"""

from playground.errors import PlaygroundError
from playground.labs.internals.probing.experiment import Probing
from playground.labs.published import Published

TEXTS = "probing-texts.csv"  # the download that the script reads

_VECTOR = {
    "first": "    return hidden[0]",
    "last": "    return hidden[-1]",
    "mean": "    return hidden.mean(0)",
    "word": """\
    # the first place where the word stands by itself, and the tokens that reach into it
    found = re.search(rf"(?<!\\w){re.escape(row['word'])}(?!\\w)", row["text"])
    found = found or re.search(rf"(?<!\\w){re.escape(row['word'])}(?!\\w)", row["text"], re.IGNORECASE)
    pieces = [i for i, (a, b) in enumerate(offsets) if a < found.end() and b > found.start()]
    return hidden[pieces].mean(0)""",
}
_PROBE = {
    "linear": "LogisticRegression(C=strength, max_iter=300)",
    "mlp": 'MLPClassifier((32,), solver="lbfgs", alpha=1.0, max_iter=40, random_state={seed})',
}
_IMPORT = {
    "linear": "from sklearn.linear_model import LogisticRegression",
    "mlp": "from sklearn.neural_network import MLPClassifier",
}


def script(found: Probing, place: Published, layer: int | None = None) -> str:
    """A script for one layer's accuracy; the best one's when none is given.

    Args:
        place: what transformers loads.

    Raises:
        PlaygroundError: transformers counts the layers of this architecture otherwise.
    """
    if found.is_recurrent:
        raise PlaygroundError(
            "transformers counts the layers of a state-space model otherwise, so there is no short script for this "
            "one. The downloads hold all numbers."
        )
    layer = found.best if layer is None else layer
    at = found.at(layer)
    pooling, kind = found.settings.pooling, found.settings.probe
    offsets = pooling == "word"
    encoder = ".get_encoder()" if found.kind == "seq2seq" else ""
    strengths = [round(float(value), 10) for value in found.strength[at]]
    lines = [
        f"# {_comment(found.examples.name)}: accuracy of the {kind} probe at layer {layer}. {TEXTS} is among the",
        '# downloads; its column "fold" says when each text was asked about. Loaded in float32; the playground read in',
        f"# {found.provenance.dtype}, in batches: a text on the border between two labels may fall the other way.",
        "import csv",
        *(["import re"] if offsets else []),
        "",
        "import numpy as np",
        "import torch",
        _IMPORT[kind],
        "from sklearn.pipeline import make_pipeline",
        "from sklearn.preprocessing import StandardScaler",
        "from transformers import AutoModel, AutoTokenizer",
        "",
        place.line("MODEL"),
        f"LAYER = {layer}",
        f"STRENGTHS = {strengths}  # one a fold, chosen in folds inside its training texts",
        "",
        f"tokenizer = AutoTokenizer.from_pretrained(MODEL{place.at})",
        f"model = AutoModel.from_pretrained(MODEL{place.at}, dtype=torch.float32).eval(){encoder}",
        "",
        "",
        "def vector(row):",
        f'    read = tokenizer(row["text"], return_tensors="pt"{", return_offsets_mapping=True" if offsets else ""})',
        *(['    offsets = read.pop("offset_mapping")[0].tolist()'] if offsets else []),
        "    with torch.no_grad():",
        "        hidden = model(read.input_ids, output_hidden_states=True).hidden_states[LAYER][0]",
        _VECTOR[pooling],
        "",
        "",
        f'with open("{TEXTS}", encoding="utf-8", newline="") as file:',
        "    rows = list(csv.DictReader(file))",
        "vectors = np.stack([vector(row).numpy() for row in rows])",
        f"classes = {list(found.examples.classes)!r}",
        'labels = np.array([classes.index(row["label"]) for row in rows])',
        'folds = np.array([int(row["fold"]) for row in rows])',
        "said = labels.copy()",
        "for fold, strength in enumerate(STRENGTHS):",
        "    asked = folds == fold",
        f"    probe = make_pipeline(StandardScaler(), {_PROBE[kind].format(seed=found.settings.seed)})",
        "    probe.fit(vectors[~asked], labels[~asked])",
        "    said[asked] = probe.predict(vectors[asked])",
        'print(f"layer {LAYER}: accuracy {(said == labels).mean():.4f}")',
    ]
    return "\n".join(lines) + "\n"


def _comment(text: str) -> str:
    return " ".join(text.split())
