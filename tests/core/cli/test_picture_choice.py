"""What images consist of: octants where the terminal says that it is one that draws them."""

from __future__ import annotations

import pytest

from jlab_tui.core.cli.picture_choice import ANSWER, Pictures, TerminalFacts, choose_pictures


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("kitty(0.42.1)", Pictures.OCTANTS), ("kitty(0.39.1)", Pictures.BLOCKS), ("ghostty 1.2.0", Pictures.OCTANTS),
        ("ghostty 1.1.3", Pictures.BLOCKS), ("foot(1.20.2)", Pictures.OCTANTS), ("VTE(7802)", Pictures.OCTANTS),
        ("VTE(7600)", Pictures.BLOCKS), ("WezTerm 20240203-110809-5046fc22", Pictures.BLOCKS),
        ("XTerm(390)", Pictures.BLOCKS), ("tmux 3.3a", Pictures.BLOCKS), ("", Pictures.BLOCKS), ("?", Pictures.BLOCKS),
    ],
)  # fmt: skip
def test_a_terminal_that_draws_octants_gets_them(name: str, kind: Pictures) -> None:
    choice = choose_pictures(Pictures.AUTO, TerminalFacts(True, name))
    assert choice.kind is kind and choice.why.endswith(".")
    assert name.partition("(")[0].partition(" ")[0] in choice.why or not name[1:]


def test_tmux_gets_blocks_and_the_users_choice_counts() -> None:
    terminal = TerminalFacts(True, "kitty(0.42.1)", in_tmux=True)
    assert choose_pictures(Pictures.AUTO, terminal).kind is Pictures.BLOCKS
    assert choose_pictures(Pictures.OCTANTS, terminal).kind is Pictures.OCTANTS


def test_an_answer_is_recognized_with_either_end() -> None:
    for end in ("\x1b\\", "\x07"):
        match = ANSWER.search(f"x\x1bP>|foot(1.20.2){end}\x1b[?62c")
        assert match is not None and match[1] == "foot(1.20.2)"
