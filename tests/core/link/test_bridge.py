from __future__ import annotations

from dataclasses import replace

import pytest

from jlab_tui.core.link.bridge import (
    BridgeTarget,
    LinkFacts,
    Phase,
    Way,
    Word,
    format_target,
    format_word,
    parse_target,
    parse_word,
)

TARGET = BridgeTarget("gpu1", "/tmp/jlab-mcp-7/s.sock", "42", "alpha")


@pytest.mark.parametrize("change", [{"node": "gpu2"}, {"socket": "/t"}, {"job_id": "43"}, {"cluster": ""}])
def test_each_run_of_a_server_has_a_bridge_of_its_own(change: dict[str, str]) -> None:
    assert len(TARGET.key) == 12
    assert replace(TARGET).key == TARGET.key != replace(TARGET, **change).key


def test_a_target_is_read_as_it_was_written() -> None:
    assert parse_target(format_target(TARGET)) == TARGET
    with pytest.raises(ValueError, match="Expecting"):
        parse_target("gpu1")


@pytest.mark.parametrize(
    "word",
    [Word(Phase.UP, Way.SRUN, 12.5), Word(Phase.FAILED, Way.SSH, 0.0, "refused", "no port")],
)
def test_a_word_is_read_as_it_was_written(word: Word) -> None:
    assert parse_word(format_word(word)) == word
    assert word.works is (word.phase is Phase.UP)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"phase": "up", "way": "rsh"}', "\0"])
def test_anything_else_is_no_word(text: str) -> None:
    assert parse_word(text) is None


def test_a_way_is_said_with_its_reason() -> None:
    assert str(LinkFacts("tcp")) == "tcp"
    assert str(LinkFacts("srun", "no port")) == "srun (no port)"


@pytest.mark.parametrize(
    ("facts", "is_bridge"),
    [(LinkFacts("tcp"), False), (LinkFacts("srun", "no port"), True), (LinkFacts("none", "refused"), False)],
)
def test_bridges_are_two_of_the_ways(facts: LinkFacts, is_bridge: bool) -> None:
    assert facts.is_bridge is is_bridge
