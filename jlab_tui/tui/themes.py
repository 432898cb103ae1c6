"""The themes night and day, and the styles that the dashboard derives from any theme."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from rich.style import Style
from textual.color import Color, ColorParseError
from textual.theme import BUILTIN_THEMES, Theme

NIGHT = Theme(
    name="night",
    primary="#7aa2f7",
    secondary="#bb9af7",
    accent="#ff9e64",
    success="#9ece6a",
    warning="#e0af68",
    error="#f7768e",
    foreground="#c0caf5",
    background="#11131c",
    surface="#161925",
    panel="#1f2335",
    dark=True,
    variables={"border": "#7aa2f7", "border-blurred": "#2f354f", "footer-key-foreground": "#ff9e64"},
)
DAY = Theme(
    name="day",
    primary="#2e5fd0",
    secondary="#8a3fd1",
    accent="#c2410c",
    success="#3f7d20",
    warning="#a16207",
    error="#c8324b",
    foreground="#1f2937",
    background="#f6f7fb",
    surface="#ffffff",
    panel="#eceff6",
    dark=False,
    variables={"border": "#2e5fd0", "border-blurred": "#cbd2e1", "footer-key-foreground": "#c2410c"},
)

Rgb = tuple[int, int, int]

READABLE = 4.5
"""least contrast of text"""

_TOKENS = {
    "Keyword": ("secondary", True),
    "Keyword.Constant": ("accent", False),
    "Operator.Word": ("secondary", True),
    "Name.Function": ("primary", False),
    "Name.Class": ("warning", True),
    "Name.Builtin": ("primary", False),
    "Name.Builtin.Pseudo": ("accent", False),
    "Name.Decorator": ("warning", False),
    "Name.Exception": ("warning", False),
    "Literal.String": ("success", False),
    "Literal.String.Interpol": ("accent", False),
    "Literal.Number": ("accent", False),
    "Comment": ("muted", False),
    "Operator": ("muted", False),
    "Punctuation": ("text", False),
}


class Palette:
    """Styles by role, from a theme's variables."""

    def __init__(self, variables: Mapping[str, str], *, dark: bool) -> None:
        self.dark = dark
        back = (17, 19, 28) if dark else (246, 247, 251)
        fore = (192, 202, 245) if dark else (31, 41, 55)
        self.background = _rgb(variables, "background", back)
        self.surface = _rgb(variables, "surface", self.background)
        self.panel = _rgb(variables, "panel", mix(self.background, fore, 0.08))
        self.foreground = _rgb(variables, "foreground", fore)
        self.border = _rgb(variables, "border-blurred", mix(self.background, self.foreground, 0.2))
        self.hues: dict[str, Rgb] = {
            name: _rgb(variables, name, self.foreground)
            for name in ("primary", "secondary", "accent", "success", "warning", "error")
        }
        self.hues["text"] = self.foreground
        faint = _readable_part(self.background, self.foreground)
        self.hues["muted"] = mix(self.background, self.foreground, faint + (1 - faint) * 0.25)
        self.hues["faint"] = mix(self.background, self.foreground, faint)
        self.hues["line"] = mix(self.background, self.foreground, 0.18)
        self._tokens: dict[object, Style] = {}

    def style(
        self,
        hue: str = "text",
        *,
        bold: bool = False,
        italic: bool = False,
        back: str = "",
        reverse: bool = False,
    ) -> Style:
        """Return the style of a role; `back` is `panel`, `surface` or a hue."""
        return _style(self.hues[hue], self._back(back), bold, italic, reverse)

    def token(self, token: object) -> Style:
        """Return the style of a pygments token, by its nearest known ancestor."""
        style = self._tokens.get(token)
        if style is None:
            parts = str(token).removeprefix("Token.").split(".")
            while parts and ".".join(parts) not in _TOKENS:
                parts.pop()
            hue, bold = _TOKENS[".".join(parts)] if parts else ("text", False)
            italic = bool(parts) and parts[0] == "Comment"
            style = self._tokens[token] = self.style(hue, bold=bold, italic=italic)
        return style

    def gradient(self, hue: str, rows: int, *, warns: bool) -> list[Style]:
        """Return one style a row from bottom to top: dark to full hue, and on to warning and error if it `warns`."""
        full = self.hues[hue]
        stops = [mix(self.background, full, 0.38), full]
        if warns:
            stops = [stops[0], full, self.hues["warning"], self.hues["error"]]
        if rows == 1:
            return [_style(full, None, False, False, False)]
        return [_style(_between(stops, row / (rows - 1)), None, False, False, False) for row in range(rows)]

    def ansi(self, number: int) -> Rgb:
        """Return one of the 16 terminal colours, readable on this theme's background."""
        names = ("line", "error", "success", "warning", "primary", "secondary", "primary", "text")
        hue = self.hues[names[number % 8]]
        if number == 6 or number == 14:
            hue = mix(self.hues["primary"], self.hues["success"], 0.5)
        if number == 8:
            hue = self.hues["muted"]
        return hue

    def _back(self, name: str) -> Rgb | None:
        match name:
            case "":
                return None
            case "panel":
                return self.panel
            case "surface":
                return self.surface
            case _:
                return mix(self.background, self.hues[name], 0.22 if self.dark else 0.16)


def contrast(one: Rgb, other: Rgb) -> float:
    """Return the contrast ratio of two colours as WCAG 2 defines it, 1 to 21."""
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def _luminance(color: Rgb) -> float:
    red, green, blue = (
        part / 3294.6 if part <= 10 else ((part / 255 + 0.055) / 1.055) ** 2.4 for part in color
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _readable_part(back: Rgb, fore: Rgb) -> float:
    """Return how much of `fore` in `back` gives text of the least readable contrast."""
    parts = (percent / 100 for percent in range(40, 100, 2))
    return next((part for part in parts if contrast(mix(back, fore, part), back) >= READABLE), 1.0)


def mix(low: Rgb, high: Rgb, part: float) -> Rgb:
    """`part` of `high` in `low`."""
    return (
        round(low[0] + (high[0] - low[0]) * part),
        round(low[1] + (high[1] - low[1]) * part),
        round(low[2] + (high[2] - low[2]) * part),
    )


def _between(stops: list[Rgb], part: float) -> Rgb:
    scaled = part * (len(stops) - 1)
    index = min(int(scaled), len(stops) - 2)
    return mix(stops[index], stops[index + 1], scaled - index)


@lru_cache(maxsize=1024)
def _style(fore: Rgb, back: Rgb | None, bold: bool, italic: bool, reverse: bool) -> Style:
    return Style(
        color=Color(*fore).rich_color,
        bgcolor=Color(*back).rich_color if back else None,
        bold=bold or None,
        italic=italic or None,
        reverse=reverse or None,
    )


def _rgb(variables: Mapping[str, str], name: str, default: Rgb) -> Rgb:
    try:
        color = Color.parse(variables[name])
    except (KeyError, ColorParseError):
        return default
    if color.ansi is not None and color.ansi < 0:
        return default
    return color.rgb


def known_themes() -> list[str]:
    """Return the names to choose from: ours first, then Textual's."""
    return [NIGHT.name, DAY.name, *sorted(BUILTIN_THEMES)]
