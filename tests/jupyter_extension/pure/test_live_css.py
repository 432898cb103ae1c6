"""The live page's colours can be read, in both of its themes."""

from __future__ import annotations

import re
from importlib import resources

import pytest

CSS = resources.files("jlab_tui.jupyter_extension").joinpath("live.css").read_text(encoding="utf-8")
THEMES = [dict(re.findall(r"--([\w-]+): (#\w{6})\b", block)) for block in re.findall(r":root \{(.*?)\}", CSS, re.DOTALL)]  # fmt: skip
GROUNDS = {"ground", "surface", "panel"}
LINES = {"line"}


def light(colour: str) -> float:
    """Relative luminance, as the W3C defines it."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((light(one), light(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", THEMES, ids=["light", "dark"])
def test_text_of_each_colour_can_be_read_on_each_ground(theme: dict[str, str]) -> None:
    weak = {
        f"{name} on {ground}": round(ratio, 2)
        for name in theme.keys() - GROUNDS - LINES
        for ground in GROUNDS
        if (ratio := contrast(theme[name], theme[ground])) < 4.5
    }
    assert not weak


def test_each_theme_has_each_colour_and_no_rule_has_one_of_its_own() -> None:
    light_theme, dark_theme = THEMES
    assert light_theme.keys() == dark_theme.keys() >= set(re.findall(r"var\(--(\w+)\)", CSS)) - {"mono"}
    rules = re.sub(r":root \{.*?\}", "", CSS, flags=re.DOTALL)
    assert set(re.findall(r"(?<!&)(?<!\w)color: (?!inherit|var)[^;]+", rules)) == set()
