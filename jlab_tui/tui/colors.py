"""Colours as SGR parameters, for terminals of 16 million, 256 and 16 colours.

256: the nearest of cube and greys by what an eye sees, so that dark grounds stay grey. 16: the terminal's own colours, by hue; its own
ground and text stand for ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from rich.color import Color, ColorSystem, ColorType

Rgb = tuple[int, int, int]

_STEPS = (0, 95, 135, 175, 215, 255)
_GREYS = tuple(8 + 10 * step for step in range(24))
_GREY_SATURATION = 0.22
"""below it 16 colours show a grey"""
_HUES = ((20, 1), (70, 3), (165, 2), (200, 6), (250, 4), (335, 5), (360, 1))
"""hue in degrees up to which one of the eight colours stands for it"""
_GROUND = (0.12, 0.75)
"""luma between which a ground is shown at all"""


def color_system(env: Mapping[str, str]) -> ColorSystem:
    """Return what the terminal draws, from COLORTERM and TERM.

    Multiplexers and xterm draw 256 colours whatever their name says; consoles and unknown terminals get 16.
    """
    if env.get("COLORTERM", "").lower() in ("truecolor", "24bit"):
        return ColorSystem.TRUECOLOR
    term = env.get("TERM", "").lower()
    if term.endswith(("-direct", "-truecolor", "-kitty", "-ghostty")):
        return ColorSystem.TRUECOLOR
    if term.endswith("-256color") or term.startswith(
        ("xterm", "screen", "tmux", "rxvt", "alacritty", "foot")
    ):
        return ColorSystem.EIGHT_BIT
    return ColorSystem.STANDARD


@lru_cache(4096)
def codes_of(color: Color | None, system: ColorSystem, *, foreground: bool) -> str:
    """Return the SGR parameters of a colour."""
    if color is None or color.type is ColorType.DEFAULT:
        return "39" if foreground else "49"
    if system is ColorSystem.TRUECOLOR or color.type is not ColorType.TRUECOLOR:
        return ";".join(color.downgrade(system).get_ansi_codes(foreground))
    rgb = tuple(color.get_truecolor())
    assert len(rgb) == 3
    if system is ColorSystem.EIGHT_BIT:
        return f"{38 if foreground else 48};5;{nearest_of_256(rgb)}"
    return one_of_16(rgb, foreground=foreground)


def nearest_of_256(rgb: Rgb) -> int:
    """Return the number of the nearest colour of xterm's cube and greys."""
    steps = [min(range(6), key=lambda n: abs(_STEPS[n] - part)) for part in rgb]
    cube = (_STEPS[steps[0]], _STEPS[steps[1]], _STEPS[steps[2]])
    level = min(range(24), key=lambda n: abs(_GREYS[n] - sum(rgb) / 3))
    grey = (_GREYS[level],) * 3
    if _distance(rgb, grey) <= _distance(rgb, cube):
        return 232 + level
    return 16 + 36 * steps[0] + 6 * steps[1] + steps[2]


def _distance(one: Rgb, other: Rgb) -> float:
    """Return how far apart two colours look: the low-cost weights of "redmean"."""
    red = (one[0] + other[0]) / 2
    r, g, b = (a - c for a, c in zip(one, other, strict=True))
    return (2 + red / 256) * r * r + 4 * g * g + (2 + (255 - red) / 256) * b * b


def one_of_16(rgb: Rgb, *, foreground: bool) -> str:
    """Return the SGR parameter of the terminal's colour with this hue, or of its own ground or text."""
    luma = (0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2]) / 255
    spread = (max(rgb) - min(rgb)) / 255
    if not foreground:
        if not _GROUND[0] <= luma <= _GROUND[1] or spread < 0.1:
            return "49"
        return f"4{_hue_of(rgb)}"
    if spread < _GREY_SATURATION:
        return "90" if 0.18 <= luma < 0.5 else "39"
    return f"3{_hue_of(rgb)}"


def _hue_of(rgb: Rgb) -> int:
    red, green, blue = rgb
    high, spread = max(rgb), max(rgb) - min(rgb)
    if high == red:
        degrees = 60 * ((green - blue) / spread) % 360
    elif high == green:
        degrees = 60 * ((blue - red) / spread) + 120
    else:
        degrees = 60 * ((red - green) / spread) + 240
    return next(number for limit, number in _HUES if degrees <= limit)
