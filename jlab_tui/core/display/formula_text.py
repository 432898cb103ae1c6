"""Formulas between dollar signs, as Matplotlib takes them, as text for a terminal: `$10^{-3}\\,\\mu m$` becomes `10⁻³ μm`."""

from __future__ import annotations

import re
from typing import Final

from .printable import printable

_GREEK: Final = dict(
    zip(
        [
            "alpha",
            "beta",
            "gamma",
            "delta",
            "epsilon",
            "zeta",
            "eta",
            "theta",
            "iota",
            "kappa",
            "lambda",
            "mu",
            "nu",
            "xi",
            "pi",
            "rho",
            "sigma",
            "tau",
            "upsilon",
            "phi",
            "chi",
            "psi",
            "omega",
            "Gamma",
            "Delta",
            "Theta",
            "Lambda",
            "Xi",
            "Pi",
            "Sigma",
            "Upsilon",
            "Phi",
            "Psi",
            "Omega",
            "varepsilon",
            "vartheta",
            "varphi",
        ],
        "αβγδεζηθικλμνξπρστυφχψωΓΔΘΛΞΠΣΥΦΨΩεϑφ",
        strict=True,
    )
)
_SIGNS: Final = {
    "times": ("×", "x"), "cdot": ("·", "*"), "pm": ("±", "+-"), "mp": ("∓", "-+"), "leq": ("≤", "<="), "geq": ("≥", ">="),
    "le": ("≤", "<="), "ge": ("≥", ">="), "neq": ("≠", "!="), "approx": ("≈", "~"), "sim": ("~", "~"),
    "propto": ("∝", "prop. to"), "infty": ("∞", "inf"), "partial": ("∂", "d"), "nabla": ("∇", "grad"),
    "sum": ("∑", "sum"), "prod": ("∏", "prod"), "int": ("∫", "int"), "rightarrow": ("→", "->"), "to": ("→", "->"),
    "leftarrow": ("←", "<-"), "degree": ("°", "deg"), "circ": ("°", "deg"), "in": ("∈", " in "), "ell": ("ℓ", "l"),
    "hbar": ("ħ", "h"), "ldots": ("…", "..."), "dots": ("…", "..."), "cdots": ("…", "..."), "langle": ("⟨", "<"),
    "rangle": ("⟩", ">"), "quad": (" ", " "), "qquad": ("  ", "  "), ",": (" ", " "), ";": (" ", " "), ":": (" ", " "),
    " ": (" ", " "), "!": ("", ""), "prime": ("′", "'"), "ast": ("*", "*"), "AA": ("Å", "A"),
}  # fmt: skip
_LOOKS: Final = frozenset(
    [
        "mathdefault",
        "mathrm",
        "mathbf",
        "mathit",
        "mathsf",
        "mathtt",
        "mathcal",
        "mathbb",
        "mathfrak",
        "mathscr",
        "mathregular",
        "text",
        "textrm",
        "textbf",
        "textit",
        "operatorname",
        "rm",
        "bf",
        "it",
        "sf",
        "tt",
        "cal",
        "left",
        "right",
        "displaystyle",
        "hat",
        "bar",
        "vec",
        "tilde",
        "dot",
        "ddot",
        "widehat",
        "widetilde",
        "overline",
    ]
)
"""commands that change only the look of what follows"""
_SUPER: Final = dict(zip("0123456789+-=()ni*'", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ⁿⁱ*′", strict=True))
_SUB: Final = dict(zip("0123456789+-=()aehijklmnoprstuvx", "₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ", strict=True))
_DOLLAR: Final = re.compile(r"(?<!\\)\$")
_COMMAND: Final = re.compile(r"[A-Za-z]+|.?", re.DOTALL)
_NAME_MOST: Final = 40
_DEEPEST: Final = 30


def readable(text: str, *, ascii_only: bool = False) -> str:
    """Return a figure's text as a terminal can print it, lines and all."""
    parts = _DOLLAR.split(printable(text).replace("\t", " ").replace("\N{MINUS SIGN}", "-"))
    if len(parts) % 2:
        parts[1::2] = (_Formula(part, ascii_only).text() for part in parts[1::2])
    return ("" if len(parts) % 2 else "$").join(parts).replace(r"\$", "$").strip()


class _Formula:
    """Reads one formula from left to right."""

    def __init__(self, source: str, ascii_only: bool) -> None:
        self._source = source
        self._ascii = ascii_only
        self._at = 0
        self._depth = 0

    def text(self) -> str:
        found = ""
        while self._at < len(self._source):
            found += self._next()
        return " ".join(found.split())

    def _next(self) -> str:
        """Return the next character, command or group as text."""
        char = self._source[self._at] if self._at < len(self._source) else ""
        self._at += 1
        match char:
            case "\\":
                return self._command()
            case "{" if self._depth < _DEEPEST:
                return self._group()
            case "{" | "}":
                return ""
            case "^":
                return self._raised("^", _SUPER)
            case "_":
                return self._raised("_", _SUB)
            case "~":
                return " "
            case _:
                return char

    def _group(self) -> str:
        self._depth += 1
        found = ""
        while self._at < len(self._source) and self._source[self._at] != "}":
            found += self._next()
        self._at += 1
        self._depth -= 1
        return found

    def _command(self) -> str:
        name: str = _COMMAND.findall(self._source, self._at, self._at + _NAME_MOST)[0]
        self._at += len(name)
        if name in ("frac", "dfrac", "tfrac"):
            return f"{_whole(self._next())}/{_whole(self._next())}"
        if name == "sqrt":
            return f"{'sqrt' if self._ascii else '√'}{_whole(self._next())}"
        if name in _LOOKS:
            return ""
        if name in _SIGNS:
            return _SIGNS[name][self._ascii]
        return name if self._ascii else _GREEK.get(name, name)

    def _raised(self, sign: str, raised: dict[str, str]) -> str:
        part = self._next()
        if part in ("", "°", "deg", "′", "'"):
            return part
        if not self._ascii and all(char in raised for char in part):
            return "".join(raised[char] for char in part)
        return sign + _whole(part)


def _whole(part: str) -> str:
    return part if part.isalnum() or part.lstrip("+-").isalnum() else f"({part})"
