"""The user's own template of the job script is read where its setting says, or refused with what to correct."""

from __future__ import annotations

from pathlib import Path

import pytest

from jlab_tui.adapters.slurm.submission import read_template
from jlab_tui.core.errors import UsageError


def test_without_one_the_packages_own_is_read() -> None:
    assert read_template("").startswith("#!/bin/bash")


@pytest.mark.parametrize("named", ["{there}/none", "{there}", "~of_nobody/job.sh", "{there}/latin1"])
def test_one_that_cannot_be_read_is_named(named: str, tmp_path: Path) -> None:
    (tmp_path / "latin1").write_bytes(b"\xe9")
    path = named.format(there=tmp_path)
    with pytest.raises(UsageError) as caught:
        read_template(path)
    assert caught.value.message.startswith(f"The job script template {path} cannot be read: ")
