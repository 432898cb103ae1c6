from __future__ import annotations

import datetime
import stat
from pathlib import Path

import pytest
from cryptography import x509

from jlab_tui.adapters.server.certificate import certificate_in, new_identity
from jlab_tui.adapters.server.launch_files import RESTARTS, write_launch_files


def test_a_certificate_outlives_any_job_and_any_wrong_clock() -> None:
    """A job may wait and run for months, on a node whose clock is weeks away from that of the login node."""
    certificate = x509.load_pem_x509_certificate(new_identity())
    now = datetime.datetime.now(datetime.UTC)
    years = datetime.timedelta(days=5 * 365)
    assert certificate.not_valid_before_utc < now - years
    assert certificate.not_valid_after_utc > now + years


def test_each_run_of_a_job_has_a_token_and_a_certificate_of_its_own_for_its_owner_alone(
    tmp_path: Path,
) -> None:
    write_launch_files(tmp_path / "c", "slurm", {}, over_network=True)
    secrets = list((tmp_path / "c").iterdir())
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in secrets)
    identities = [path for path in secrets if b"PRIVATE KEY" in path.read_bytes()]
    assert len({certificate_in(path) for path in identities}) == len(identities) == 1 + RESTARTS


@pytest.mark.parametrize("text", ["", "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"])
def test_a_file_without_a_certificate_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "pem").write_text(text, encoding="ascii")
    with pytest.raises(ValueError, match="holds no certificate"):
        certificate_in(tmp_path / "pem")
