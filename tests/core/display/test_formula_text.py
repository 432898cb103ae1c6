"""Formulas of figures as text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jlab_tui.core.display.formula_text import readable
from jlab_tui.core.display.printable import printable


@pytest.mark.parametrize(
    ("source", "text", "plain"),
    [
        ("Loss", "Loss", "Loss"),
        ("\N{MINUS SIGN}0.5", "-0.5", "-0.5"),
        (r"$\mathdefault{10^{-3}}$", "10⁻³", "10^-3"),
        (r"$10^{4}\,\mu m$", "10⁴ μ m", "10^4 mu m"),
        (r"Loss $\mathcal{L}_\theta$", "Loss L_θ", "Loss L_theta"),
        (r"$\frac{a+b}{2}$ of $\sqrt{x}$", "(a+b)/2 of √x", "(a+b)/2 of sqrtx"),
        (r"$x_{max}^2$", "xₘₐₓ²", "x_max^2"),
        (r"$45^\circ$", "45°", "45deg"),
        (r"$f'(x)^{ab}$", "f'(x)^ab", "f'(x)^ab"),
        (r"$a~b \leq {c}}$", "a b ≤ c", "a b <= c"),
        (r"$\log_{10}$ size", "log₁₀ size", "log_10 size"),
        (r"cost \$5", "cost $5", "cost $5"),
        ("$5 and no more", "$5 and no more", "$5 and no more"),
        ("two\tcells\nand two lines", "two cells\nand two lines", "two cells\nand two lines"),
        ("$x^$", "x", "x"),
        ("${-3}^{-3a}$", "-3^-3a", "-3^-3a"),
        ("$ab\\", "$ab\\", "$ab\\"),
        ("", "", ""),
    ],
)
def test_a_formula_is_readable(source: str, text: str, plain: str) -> None:
    assert readable(source) == text
    assert readable(source, ascii_only=True) == plain


def test_deep_groups_and_an_open_command_end() -> None:
    assert readable("$" + "{" * 200 + "$") == ""
    assert readable("$" + "^" * 199 + "$") == ""
    assert readable("$a\\ $") == "a"
    assert readable("a $x\\$ b\\$") == "a $x$ b$"


@given(st.text("$\\{}^_ab~\x1b[31m\u202e", max_size=200))
def test_any_text_ends_and_is_printable(source: str) -> None:
    text = readable(source)
    assert printable(text) == text
