"""Sentences about an interrupt, and the requests to the kernel."""

from __future__ import annotations

import ast

import pytest

from jlab_tui.core.kernel.interrupt_ladder import (
    LOOK,
    RAISE,
    Effect,
    Step,
    how_stopped,
    in_kernel,
    parse_effect,
    was_raised,
    why_not_stopped,
)


@pytest.mark.parametrize(
    ("step", "exception", "how"),
    [
        (Step.SIGNAL, "KeyboardInterrupt", ""),
        (Step.WAKE, "CancelledError", ", once a request had woken the kernel's event loop"),
        (Step.WAKE, "KeyboardInterrupt", ""),
        (Step.RAISE, "CancelledError", ", at an exception raised in it, because the interrupt signal had no effect"),
        (Step.SIGNAL_AGAIN, "KeyboardInterrupt", ", at the second interrupt"),
    ],
)  # fmt: skip
def test_what_stopped_the_code_is_named_unless_it_was_the_first_signal(
    step: Step, exception: str, how: str
) -> None:
    assert how_stopped(step, exception) == how


@pytest.mark.parametrize("effect", Effect)
def test_what_was_tried_in_vain_is_listed(effect: Effect) -> None:
    said = why_not_stopped(effect)
    assert "C call" in said and "catches the interrupt" in said and "Tried: an interrupt signal" in said
    assert ("an exception from another thread" in said) is (effect is not Effect.UNKNOWN)


def test_what_the_kernel_evaluates_is_an_expression() -> None:
    for function in (LOOK, RAISE):
        tree = ast.parse(in_kernel(function), mode="eval")
        source = next(
            n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and len(str(n.value)) > 9
        )
        names = [n.name for n in ast.parse(str(source)).body if isinstance(n, ast.FunctionDef)]
        assert function in names


def answer(text: str, status: str = "ok") -> dict[str, object]:
    return {"user_expressions": {"v": {"status": status, "data": {"text/plain": text}}}}


@pytest.mark.parametrize(
    ("reply", "effect", "raised"),
    [
        (answer("'cleaning up'"), Effect.CLEANING_UP, False),
        (answer("'busy'"), Effect.NONE, False),
        (answer("True"), Effect.NONE, True),
        (answer("True", "error"), Effect.UNKNOWN, False),
        ({}, Effect.UNKNOWN, False),
        ({"user_expressions": None}, Effect.UNKNOWN, False),
    ],
)
def test_an_answer_that_says_nothing_is_unknown(
    reply: dict[str, object], effect: Effect, raised: bool
) -> None:
    assert (parse_effect(reply), was_raised(reply)) == (effect, raised)
