"""What the command line says about arguments that it does not understand."""

from __future__ import annotations

import pytest

from jlab_tui.core.cli.argparse_errors import explain_usage


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("argument COMMAND: invalid choice: 'strat' (choose from 'start', 'stop')", "There is no command 'strat'; did you mean start?"),
        ("argument COMMAND: invalid choice: 'strat' (choose from start, stop)", "There is no command 'strat'; did you mean start?"),
        ("argument COMMAND: invalid choice: 'x' (choose from start, stop)", "There is no command 'x'; there are: start, stop."),
        ("argument --mode: invalid choice: 'cloud' (choose from 'local', 'slurm')", "--mode cannot be 'cloud'; there are: local, slurm."),
        ("argument --mode: expected one argument", "--mode: expected one argument."),
        ("unrecognized arguments: --dtach more", "--dtach more is not understood here; did you mean --detach?"),
        ("unrecognized arguments: extra", "extra is not understood here."),
        ("unrecognized arguments: --hel x", "--hel x is not understood here; did you mean --help?"),
        ("the following arguments are required: shell", "Something is missing: shell."),
    ],
)  # fmt: skip
def test_it_is_one_sentence_with_the_nearest_word(said: str, sentence: str) -> None:
    assert explain_usage(said, ["--detach", "--help"]) == sentence
