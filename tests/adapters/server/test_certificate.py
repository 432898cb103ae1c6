from __future__ import annotations

import datetime
import stat
from pathlib import Path

import pytest
from cryptography import x509

from jlab_tui.adapters.server.certificate import certificate_in, new_identity
from jlab_tui.adapters.server.file_names import local_launch
from jlab_tui.adapters.server.launch_files import RESTARTS, remove_launch_files, write_launch_files
from jlab_tui.jupyter_extension.launch import read_config


def test_a_certificate_outlives_any_job_and_any_wrong_clock() -> None:
    """A job may wait and run for months, on a node whose clock is weeks away from that of the login node."""
    certificate = x509.load_pem_x509_certificate(new_identity())
    now = datetime.datetime.now(datetime.UTC)
    years = datetime.timedelta(days=5 * 365)
    assert certificate.not_valid_before_utc < now - years
    assert certificate.not_valid_after_utc > now + years


def test_each_run_of_a_job_has_a_token_of_its_own_and_the_first_ones_a_certificate(tmp_path: Path) -> None:
    """Slurm may start a job again any number of times; all that the runs wrote goes with the launch."""
    files = write_launch_files(tmp_path / "c", "slurm", {}, over_network=True)
    assert read_config(str(files.config_file), 0)["token"] == files.token
    runs = [read_config(str(files.config_file), restart) for restart in range(RESTARTS + 4)]
    assert len({run["token"] for run in runs}) == len(runs)
    assert all(run["token"] == Path(run["token_file"]).read_text("ascii").strip() for run in runs)
    certificates = [certificate_in(Path(run["certfile"])) for run in runs]
    assert len(set(certificates)) == 1 + RESTARTS and len(set(certificates[RESTARTS:])) == 1
    written = list((tmp_path / "c").iterdir())
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in written)
    remove_launch_files(files.connection_file)
    assert not list((tmp_path / "c").iterdir())


def test_a_local_server_has_one_token_also_inside_a_job_that_was_started_again(tmp_path: Path) -> None:
    files = write_launch_files(tmp_path / "c", local_launch("18001"), {})
    assert read_config(str(files.config_file), 2)["token"] == files.token


@pytest.mark.parametrize("text", ["", "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"])
def test_a_file_without_a_certificate_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "pem").write_text(text, encoding="ascii")
    with pytest.raises(ValueError, match="holds no certificate"):
        certificate_in(tmp_path / "pem")
