"""Which files a traceback names, whatever else is in it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jlab_tui.core.display.traceback_place import FilePlace, file_places


@pytest.mark.parametrize(
    ("line", "place"),
    [
        ("File ~/project/unet.py:12, in UNet.forward(self, x)", ("~/project/unet.py", 12)),
        ("\x1b[36mFile \x1b[39m\x1b[32m/a b/c.py:7\x1b[39m, in f()", ("/a b/c.py", 7)),
        ("File /a/c.py:3", ("/a/c.py", 3)),
        ("File /a/c:9.py:30, in g(x=':4')", ("/a/c:9.py", 30)),
        ('  File "/a/c.py", line 8, in <module>', ("/a/c.py", 8)),
        ('  File "/a/c.py", line 8', ("/a/c.py", 8)),
        ("File /a/c.py:0, in f", ("/a/c.py", 1)),
    ],
)
def test_a_frame_of_a_file_is_found(line: str, place: tuple[str, int]) -> None:
    assert file_places(["Traceback", line, "----> 2 x"]) == [FilePlace(*place)]


@pytest.mark.parametrize(
    "line",
    [
        "Cell In[3], line 2",
        "File <ipython-input-3-abc>:2, in f()",
        '  File "<stdin>", line 1',
        "see File /a/c.py:3",
        "File /a/c.py",
        "File :3",
        "File /a/c.py:9999999999",
    ],
)
def test_other_lines_are_no_files(line: str) -> None:
    assert file_places([line]) == []


def test_the_users_own_code_comes_before_libraries_and_the_innermost_frame_first() -> None:
    lines = [
        "File ~/p/train.py:5, in main()",
        "File ~/.venv/lib/python3.11/site-packages/torch/nn/modules/module.py:1, in call()",
        "File ~/p/unet.py:9, in forward()",
        "File ~/p/train.py:5, in main()",
        "File /usr/lib/python3.11/json/decoder.py:355, in decode()",
        "File /env/lib/python3/dist-packages/x.py:1, in y()",
    ]
    assert [place.file.rpartition("/")[2] for place in file_places(lines)] == [
        "train.py", "unet.py", "x.py", "decoder.py", "module.py"
    ]  # fmt: skip


@given(st.lists(st.text()))
def test_whatever_a_kernel_prints_lines_are_positive_and_names_not_empty(lines: list[str]) -> None:
    assert all(place.line >= 1 and place.file for place in file_places(lines))
