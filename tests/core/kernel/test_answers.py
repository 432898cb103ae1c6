"""Answers of Jupyter and of its extension: known ones are read in full, odd ones are skipped or refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import is_dataclass
from types import UnionType
from typing import Any, get_origin, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jlab_tui.core.kernel.answers import (
    ExtensionInfo,
    JupyterSession,
    an_id,
    claim,
    claimed_kernel,
    ended_kernels,
    extension_info,
    kernel_of_session,
    kernel_state,
    kernels,
    kernelspecs,
    measured,
    new_kernel,
    owner,
    recorded_kernels,
    samples,
    sessions,
)
from jlab_tui.core.kernel.leaving import EndedKernel, LeftKernel
from jlab_tui.core.kernel.link import Claim, RecordedKernel
from jlab_tui.core.kernel.wire import NODE_PROTOCOL
from jlab_tui.core.server.record import KernelInfo, KernelSpec, Owner
from jlab_tui.core.server.resources import Measured

OWNER = {"client": "c", "host": "gpu07", "pid": 7, "conversation": "talk"}
READING = {"cpu": {"count": 8}, "memory": {}}
JULIA = {"display_name": "Julia", "language": "julia", "argv": ["/opt/julia", "-m"]}
SPECS = {"default": "julia", "kernelspecs": {"julia": {"spec": JULIA}, "bare": {}}}


def nothing_odd(why: str) -> None:
    raise AssertionError(f"reported as odd: {why}")


def test_sessions_are_read_with_their_kernels_and_those_without_one_are_left_out() -> None:
    answer = [
        {"id": "s1", "path": "a.ipynb", "kernel": {"id": "k1", "execution_state": "idle"}},
        {"id": "s2", "kernel": {"id": "k2"}},
        {"id": "s3", "kernel": None},
    ]
    assert sessions(answer, nothing_odd) == [
        JupyterSession("s1", "a.ipynb", "k1", "idle"),
        JupyterSession("s2", "", "k2", "unknown"),
    ]


def test_a_kernel_is_listed_with_the_notebook_of_its_session() -> None:
    answer = [
        {"id": "k1", "name": "python3", "execution_state": "busy", "connections": 2, "last_activity": "now"},
        {"id": "k2"},
    ]
    assert kernels(answer, [JupyterSession("s1", "a.ipynb", "k1", "busy")], nothing_odd) == (
        KernelInfo("k1", "python3", "busy", 2, "a.ipynb"),
        KernelInfo("k2", "", "unknown", 0, ""),
    )


def test_entries_that_cannot_be_read_are_reported_and_the_others_are_listed() -> None:
    odd: list[str] = []
    good = {"id": "k1", "kernel": {"id": "k1"}}
    assert [
        found.kernel_id for found in sessions([3, {"id": "../x", "kernel": {"id": "k"}}, good], odd.append)
    ] == ["k1"]
    assert [found.kernel_id for found in kernels([None, {"id": 3}, good], [], odd.append)] == ["k1"]
    assert list(recorded_kernels({"a/b": {}, "k2": [], "k1": {}}, odd.append)) == ["k1"]
    assert [found.at for found in samples({"history": [{}, {"t": 1, **READING}]}, odd.append)] == [1]
    assert odd == [
        "sessions: an entry that is no object",
        "a session without a valid id",
        "kernels: an entry that is no object",
        "a kernel without a valid id",
        "a recorded kernel that is none",
        "a recorded kernel that is none",
        "not a resource sample",
    ]


@pytest.mark.parametrize("value", [None, 3, "", "a/b", "..", "a b", "a\n", "é", "x" * 101])
def test_what_does_not_fit_in_a_url_is_no_id(value: Any) -> None:
    with pytest.raises(ValueError, match="without a valid id"):
        an_id(value)


def test_a_new_kernel_is_known_by_its_id_and_state() -> None:
    assert new_kernel({"id": "k1"}) == "k1"
    assert kernel_of_session({"id": "s1", "kernel": {"id": "k1"}}) == "k1"
    assert kernel_state({"execution_state": "idle"}) == "idle"
    assert kernel_state([]) == "unknown"


ENV = ExtensionInfo(python="/env/python")
BARE = KernelSpec("bare", "bare", "python", "/env/python")


@pytest.mark.parametrize(
    ("answer", "default", "known"),
    [
        (SPECS, "julia", [KernelSpec("julia", "Julia", "julia", "/opt/julia"), BARE]),
        ({"kernelspecs": {"bare": {"spec": {"argv": ["python"]}}}}, "python3", [BARE]),
        ({"kernelspecs": {"bare": 5}}, "python3", [BARE]),
        ({}, "python3", []),
        ([], "python3", []),
    ],
)
def test_the_kernels_of_a_server_are_read_with_what_they_start(
    answer: Any, default: str, known: list[KernelSpec]
) -> None:
    specs = kernelspecs(answer, ENV)
    assert [*specs.known.values()] == known and not specs.missing
    python = specs.known.get(default) or KernelSpec("python3", "python3", "python", "/env/python")
    assert specs.default == python


def test_the_extension_knows_what_a_kernelspec_starts_and_which_program_is_not_there() -> None:
    info = extension_info(
        {"protocol": NODE_PROTOCOL, "kernel_programs": {"julia": None, "bare": "/p/python", "odd": 5}}
    )
    specs = kernelspecs(SPECS, info)
    assert specs.missing == {"julia"} and specs.known["bare"].python == "/p/python"
    assert "odd" not in info.programs


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (
            {"protocol": NODE_PROTOCOL, "features": ["claims", 3], "python": "/p", "now": 5},
            ExtensionInfo(frozenset({"claims"}), "/p", 5.0),
        ),
        ({"protocol": NODE_PROTOCOL + 1, "features": ["claims"], "now": 5}, ExtensionInfo(now=5.0)),
        (None, ExtensionInfo()),
    ],
)
def test_an_extension_of_another_protocol_offers_nothing(answer: Any, found: ExtensionInfo) -> None:
    assert extension_info(answer) == found


def test_readings_come_oldest_first() -> None:
    answer = {"history": [{"t": 1, **READING}, {"t": 2, **READING}], "now": {"t": 3, **READING}}
    assert [found.at for found in samples(answer, nothing_odd)] == [1, 2, 3]
    assert samples({"history": [], "now": None}, nothing_odd) == []


def test_a_claim_names_the_epoch_and_the_last_message() -> None:
    answer = {"kernel": "k1", "epoch": 3, "last_seq": 9, "adopted": True, "previous": OWNER}
    assert claimed_kernel(answer) == ("k1", Claim(3, 9))
    assert claim({"epoch": 0}) == Claim(0, 0)


def test_an_owner_is_known_by_its_process_and_its_conversation() -> None:
    assert owner({"client": "c", "host": "h", "pid": 7, "conversation": "talk"}) == Owner("c", "h", 7, "talk")
    relayed = {"client": "c", "relay": "r", "generation": 3}
    assert owner(relayed) == Owner("c", "", 0, relay="r", generation=3)
    assert owner({"pid": -1}) == Owner("", "", 0, "")
    assert owner(None) is owner("c") is None


def test_a_recorded_kernel_is_private_unless_the_extension_says_otherwise() -> None:
    full = {
        "session": "s", "epoch": 2, "owner": OWNER, "owner_connected": True, "first_seq": 1, "last_seq": 9,
        "acked_seq": 4, "busy": True, "running": "m9", "requests": {"m8": 1, "m9": 2}, "started_here": True,
        "private": False, "recorded_bytes": 100, "cut_after_s": 20,
    }  # fmt: skip
    assert recorded_kernels({"k1": full, "k2": {}}, nothing_odd) == {
        "k1": RecordedKernel(
            True, 9, 4, "m9", frozenset({"m8", "m9"}), started_here=True, is_private=False, session="s", recorded_bytes=100,
            cut_after_s=20.0,
        ),
        "k2": RecordedKernel(False, 0, 0),
    }  # fmt: skip


def test_what_becomes_of_a_kernel_whose_client_has_left() -> None:
    left = {"at": 5.5, "released": True, "ends_at": 35.5, "stays": "", "idle_s": 30, "by": "X"}
    found = recorded_kernels({"k1": {"left": left}, "k2": {"left": {}}, "k3": {"left": "soon"}}, nothing_odd)
    assert found["k1"].left == LeftKernel(5.5, True, 35.5, "", 30.0, "X")
    assert found["k2"].left == LeftKernel(0.0, False, None, "", 0.0, "") and found["k3"].left is None


def test_how_kernels_ended_is_read_as_far_as_it_is_understood() -> None:
    cause = {
        "cause": "left",
        "detail": "idle",
        "at": 9,
        "left_at": 5,
        "released": True,
        "idle_s": 4,
        "by": "X",
    }
    odd: list[str] = []
    raw = {"k1": {"session": "s", "path": "n.ipynb", "obituary": cause}, "k2": {}, "a/b": {}, "k3": None}
    found = ended_kernels(raw, odd.append)
    assert found == {
        "k1": EndedKernel("s", "n.ipynb", "left", "idle", 9.0, 5.0, True, 4.0, "X"),
        "k2": EndedKernel("", "", "", "", 0.0, 0.0, False, 0.0, ""),
    }
    assert len(odd) == 2


def test_only_a_boolean_says_yes_or_no() -> None:
    odd = {"owner_connected": "no", "started_here": 1, "private": None}
    assert recorded_kernels({"k1": odd}, nothing_odd) == {"k1": RecordedKernel(False, 0, 0)}


@pytest.mark.parametrize(
    ("parse", "answer"),
    [
        (lambda raw: sessions(raw, nothing_odd), {}),
        (lambda raw: kernels(raw, [], nothing_odd), None),
        (lambda raw: recorded_kernels(raw, nothing_odd), []),
        (lambda raw: ended_kernels(raw, nothing_odd), []),
        (new_kernel, {"id": "a/b"}),
        (kernel_of_session, {"kernel": None}),
        (claim, {"epoch": -1}),
        (claim, {"epoch": "1"}),
        (claim, {"epoch": True}),
        (claim, {"epoch": 1 << 60}),
        (claim, []),
        (claimed_kernel, {"epoch": 1}),
    ],
)
def test_an_answer_of_another_kind_is_refused(parse: Callable[[Any], Any], answer: Any) -> None:
    with pytest.raises(ValueError):
        parse(answer)


KEYS = st.sampled_from(
    [
        "id", "kernel", "epoch", "previous", "pid", "requests", "owner", "private", "history", "now",
        "kernelspecs", "default", "python3", "spec", "argv", "protocol", "features", "execution_state", "connections", "last_seq",
    ]
)  # fmt: skip


def test_kernels_are_in_the_same_answer_unless_an_older_server_leaves_them_out() -> None:
    answer = {
        "now": {"t": 3, **READING},
        "kernels": [{"id": "k1", "name": "python3", "execution_state": "idle"}],
        "sessions": [{"id": "s1", "path": "a.ipynb", "kernel": {"id": "k1"}}],
    }
    found = measured(answer, nothing_odd)
    assert [sample.at for sample in found.samples] == [3]
    assert found.kernels == (KernelInfo("k1", "python3", "idle", 0, "a.ipynb"),)
    assert measured({"now": None}, nothing_odd) == Measured([])


SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
ANY_JSON = st.recursive(
    SCALARS | st.just(NODE_PROTOCOL),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(KEYS | st.text(max_size=3), inner, max_size=5)
    ),
)
PARSERS: list[Callable[[Any], Any]] = [
    lambda raw: sessions(raw, str),
    lambda raw: kernels(raw, [], str),
    lambda raw: recorded_kernels(raw, str).values(),
    lambda raw: samples(raw, str) and (),
    lambda raw: measured(raw, str) and (),
    lambda raw: [kernelspecs(raw, ExtensionInfo())],
    lambda raw: [extension_info(raw)],
    lambda raw: [claim(raw)],
    lambda raw: claimed_kernel(raw),
    lambda raw: [owner(raw)],
    lambda raw: [new_kernel(raw), kernel_of_session(raw), kernel_state(raw)],
]


@pytest.mark.parametrize("parse", PARSERS)
@given(answer=ANY_JSON)
def test_any_answer_gives_values_of_their_types_or_is_refused(
    parse: Callable[[Any], Any], answer: Any
) -> None:
    try:
        found = list(parse(answer))
    except ValueError:
        return
    for each in found:
        if is_dataclass(each):
            for name, hint in get_type_hints(type(each)).items():
                kind = hint if isinstance(hint, UnionType) else get_origin(hint) or hint
                assert isinstance(getattr(each, name), kind), name
        else:
            assert each is None or isinstance(each, str)
