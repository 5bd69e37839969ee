"""Charts for every eye: what the kinds of colour blindness see is simulated (Machado, Oliveira and Fernandes 2009,
severity 1), and distances are those of CIELAB (CIE 1976), where about 2 is the least that can be seen."""

import ast
import itertools
import re
from pathlib import Path

import numpy as np
import pytest
from plotly.colors import get_colorscale

from playground.views import colours
from playground.views.attention.map import LOOK
from playground.views.internals.scale import VIRIDIS

SEEN = {
    "by most": np.eye(3),
    "without red": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "without green": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "without blue": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}
LIGHT, DARK = ("#ffffff", "#f8fafc"), ("#0f172a", "#020617")  # what charts stand on, by theme.py
TO_XYZ = np.array(  # of linear sRGB, IEC 61966-2-1
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)


def channels(text: str, paper: str = "#ffffff") -> np.ndarray:
    """(3,), 0 to 1: of #rrggbb, or of rgba(...) as it stands on something."""
    if text.startswith("#"):
        return np.array([int(text[at : at + 2], 16) / 255 for at in (1, 3, 5)])
    *rgb, alpha = map(float, re.findall(r"[\d.]+", text))
    if not text.startswith("rgba"):
        rgb, alpha = [*rgb, alpha], 1.0
    return alpha * np.array(rgb) / 255 + (1 - alpha) * channels(paper)


def linear(rgb: np.ndarray) -> np.ndarray:
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray, eye: str) -> np.ndarray:
    """(3,): lightness from 0 to 100, and the two colour axes, as an eye sees it."""
    xyz = TO_XYZ @ np.clip(SEEN[eye] @ linear(rgb), 0, 1) / (0.95047, 1, 1.08883)
    x, y, z = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def apart(one: str, other: str, eye: str, paper: str = "#ffffff") -> float:
    return float(np.linalg.norm(lab(channels(one, paper), eye) - lab(channels(other, paper), eye)))


def contrast(one: str, other: str) -> float:
    """As WCAG 2 defines it, 1 to 21."""
    low, high = sorted(float(TO_XYZ[1] @ linear(channels(colour))) for colour in (one, other))
    return (high + 0.05) / (low + 0.05)


def test_the_measure_knows_twins():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert lab(channels("#ff0000"), "by most") == pytest.approx([53.24, 80.09, 67.20], abs=0.02), "as published"
    assert apart("#e69f00", "#b8a800", "without red") < 2 < 25 < apart("#e69f00", "#b8a800", "by most")
    assert apart(colours.TEAL, "#8c8c8c", "without red") < 2, "why the grey of charts is none"


@pytest.mark.parametrize("eye", SEEN)
def test_named_things_are_apart(eye):
    for one, other in itertools.combinations(colours.MANY, 2):
        assert apart(one, other, eye) > 12, (one, other)
    for one, other in itertools.combinations((colours.TEAL, colours.AMBER, colours.GREY), 2):
        assert apart(one, other, eye) > 15, (one, other)


@pytest.mark.parametrize("paper", LIGHT + DARK)
def test_marks_stand_out_from_both_pages(paper):
    for colour in (*colours.MANY, colours.GREY):
        assert contrast(colour, paper) >= 3, colour


@pytest.mark.parametrize("eye", SEEN)
def test_more_is_lighter_to_everybody(eye):
    for scale in ([stop for _, stop in get_colorscale(name)] for name in (colours.SEQUENCE, colours.CERTAINTY)):
        assert (np.diff([lab(channels(stop), eye)[0] for stop in scale]) > 3).all()
    assert (np.diff([lab(channels(stop), eye)[0] for stop in VIRIDIS]) > 3).all()


@pytest.mark.parametrize("eye", SEEN)
@pytest.mark.parametrize("paper", [LIGHT[0], DARK[0]])
@pytest.mark.parametrize("scale", [colours.TWO_WAYS, colours.TWO_WAYS_WRITTEN])
def test_both_ways_lead_elsewhere(scale, paper, eye):
    low, less, middle, more, high = (stop for _, stop in scale)
    assert apart(low, high, eye, paper) > 30 and apart(less, more, eye, paper) > 15
    for near, far in ((less, low), (more, high)):
        assert apart(middle, far, eye, paper) > apart(middle, near, eye, paper) + 5


def test_lettering_can_be_read_on_both_pages():
    style = Path("assets/style.css").read_text("utf-8")
    red = round(channels(colours.INK)[0] * 255)
    assert f'.dark .js-plotly-plot [style*="fill: rgb({red}"] {{ fill: var(--neutral-400)' in style
    assert min(contrast(colours.INK, paper) for paper in LIGHT) >= 4.5
    assert min(contrast("#94a3b8", paper) for paper in DARK) >= 4.5, "neutral-400"


def test_no_chart_has_colours_of_its_own():
    """Every colour and scale comes from `colours`; what a chart leaves open, from the colours of all charts."""
    ours = {name for name in vars(colours) if name.isupper()}
    for file in Path("playground/views").rglob("*.py"):
        if file.name in ("colours.py", "scale.py") or file.parts[-2:] == ("bias", "report.py"):  # a page, no chart
            continue
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                assert not re.search(r"#[0-9a-fA-F]{6}\b|\brgba?\((?!0,0,0,0\))", node.value), (file, node.value)
                assert node.value != "colorscale", f"{file}: as a keyword it can be found"
            if isinstance(node, ast.keyword) and node.arg == "colorscale":
                parts = [part for part in ast.walk(node.value) if isinstance(part, ast.Name | ast.Constant)]
                scales = {part.id for part in parts if isinstance(part, ast.Name)}
                assert scales & ours and not any(isinstance(part, ast.Constant) for part in parts), (file, scales)
    assert LOOK["colorway"] == colours.MANY
