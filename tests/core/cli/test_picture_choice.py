"""What images consist of: octants where the terminal says that it is one that draws them."""

from __future__ import annotations

import pytest

from jlab_tui.core.cli.picture_choice import ANSWER, Pictures, TerminalFacts, choose_pictures


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("kitty(0.42.1)", Pictures.KITTY), ("kitty(0.27.1)", Pictures.BLOCKS), ("ghostty 1.2.0", Pictures.KITTY),
        ("ghostty 0.9.3", Pictures.BLOCKS), ("foot(1.20.2)", Pictures.OCTANTS), ("VTE(7802)", Pictures.OCTANTS),
        ("VTE(7600)", Pictures.BLOCKS), ("WezTerm 20240203-110809-5046fc22", Pictures.BLOCKS),
        ("XTerm(390)", Pictures.BLOCKS), ("tmux 3.3a", Pictures.BLOCKS), ("", Pictures.BLOCKS), ("?", Pictures.BLOCKS),
    ],
)  # fmt: skip
def test_a_terminal_that_draws_octants_gets_them(name: str, kind: Pictures) -> None:
    choice = choose_pictures(Pictures.AUTO, TerminalFacts(True, name))
    assert choice.kind is kind and choice.why.endswith(".")
    assert name.partition("(")[0].partition(" ")[0] in choice.why or not name[1:]


@pytest.mark.parametrize(
    ("wanted", "name", "cells"),
    [
        (Pictures.AUTO, "kitty(0.40.0)", Pictures.OCTANTS), (Pictures.AUTO, "kitty(0.28.0)", Pictures.BLOCKS),
        (Pictures.AUTO, "foot(1.20.2)", Pictures.OCTANTS), (Pictures.KITTY, "", Pictures.BLOCKS),
        (Pictures.OCTANTS, "", Pictures.OCTANTS),
    ],
)  # fmt: skip
def test_an_image_that_cannot_have_pixels_has_what_the_terminal_draws(
    wanted: Pictures, name: str, cells: Pictures
) -> None:
    assert choose_pictures(wanted, TerminalFacts(True, name)).in_cells is cells


def test_tmux_gets_blocks_and_the_users_choice_counts() -> None:
    terminal = TerminalFacts(True, "kitty(0.42.1)", in_tmux=True)
    assert choose_pictures(Pictures.AUTO, terminal).kind is Pictures.BLOCKS
    assert choose_pictures(Pictures.OCTANTS, terminal).kind is Pictures.OCTANTS
    assert choose_pictures(Pictures.KITTY, terminal).kind is Pictures.BLOCKS, "which tmux may lose"
    assert choose_pictures(Pictures.KITTY, TerminalFacts(True)).kind is Pictures.KITTY


def test_an_answer_is_recognized_with_either_end() -> None:
    for end in ("\x1b\\", "\x07"):
        match = ANSWER.search(f"x\x1bP>|foot(1.20.2){end}\x1b[?62c")
        assert match is not None and match[1] == "foot(1.20.2)"
