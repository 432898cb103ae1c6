"""Names of the files that launches leave, and the patterns by which `cleanup` and the end of a launch find them."""

from __future__ import annotations

import re

from ...core.settings import PROJECT_NAME
from ...core.slurm.script import restarted_name
from ..files import temporary_name
from ..log_file import bridge_log, dashboard_log, earlier, forward_log
from ..made_names import DIGITS, HEX, any_of, pattern_of


def local_log(project: str, port: str) -> str:
    """`project`: the name of its status directory."""
    return f"jupyter-local-{project}-{port}.log"


def slurm_log(job: str) -> str:
    return f"jupyter-slurm-{job}.log"


def detached_log(when: str, pid: str) -> str:
    """`when`: local time as 20260131-235959."""
    return f"start-{when}-{pid}.log"


def local_launch(port: str) -> str:
    return f"local-{port}"


SLURM_LAUNCH = "slurm"


def launch_stem(launch: str, unique: str) -> str:
    """`launch`: `local_launch(port)` or `SLURM_LAUNCH`; `unique`: 8 hexadecimal digits."""
    return f"{launch}-{unique}"


def token_name(stem: str) -> str:
    return f"{stem}.token"


def identity_name(stem: str) -> str:
    """Key and certificate of a job's server."""
    return f"{stem}.pem"


def restarted_token(stem: str, restart: str) -> str:
    return restarted_name(token_name(stem), restart)


def restarted_identity(stem: str, restart: str) -> str:
    return restarted_name(identity_name(stem), restart)


def config_name(stem: str) -> str:
    return f"{stem}.config.json"


def connection_name(stem: str) -> str:
    return f"{stem}.connection.json"


def restarted_config(stem: str, restart: str) -> str:
    """The job script's copy of `config_name` when Slurm restarts the job."""
    return f"{config_name(stem)}.r{restart}"


def restarted_connection(stem: str, restart: str) -> str:
    return restarted_name(connection_name(stem), restart)


def being_published(stem: str, pid: str) -> str:
    """A connection file while the server writes it (`jupyter_extension/serverapp.py`)."""
    return f"{connection_name(stem)}.{pid}.tmp"


def republished(stem: str, restart: str, pid: str) -> str:
    return f"{restarted_connection(stem, restart)}.{pid}.tmp"


def copy_name(digest: str) -> str:
    """Folder of one version of the extension, by its sha256."""
    return digest[:12]


def copy_in_the_making(digest: str, pid: str) -> str:
    return f".{copy_name(digest)}.{pid}"


def copy_set_aside(digest: str, pid: str) -> str:
    """Folder of a changed copy before its removal."""
    return f".{copy_name(digest)}.{pid}.changed"


_STEM = any_of(
    pattern_of(lambda port, unique: launch_stem(local_launch(port), unique), DIGITS, "[0-9a-f]{8}"),
    pattern_of(lambda unique: launch_stem(SLURM_LAUNCH, unique), "[0-9a-f]{8}"),
).pattern

LOGS = any_of(
    pattern_of(local_log, PROJECT_NAME.pattern, DIGITS),
    pattern_of(slurm_log, DIGITS),
    pattern_of(detached_log, "[0-9]{8}-[0-9]{6}", DIGITS),
    pattern_of(dashboard_log, "[^/]+", DIGITS),
    pattern_of(lambda host, pid: earlier(dashboard_log(host, pid)), "[^/]+", DIGITS),
    pattern_of(bridge_log, "[^/]+", "[0-9a-f]{12}"),
    pattern_of(lambda host, key: earlier(bridge_log(host, key)), "[^/]+", "[0-9a-f]{12}"),
    pattern_of(forward_log, "[^/]+", "[0-9a-f]{12}"),
    pattern_of(lambda host, key: earlier(forward_log(host, key)), "[^/]+", "[0-9a-f]{12}"),
)


def launch_files_of(stem: str) -> re.Pattern[str]:
    """Every file of one launch. `stem` is a regular expression: `re.escape` an exact one."""
    return any_of(
        pattern_of(token_name, stem),
        pattern_of(identity_name, stem),
        pattern_of(restarted_token, stem, DIGITS),
        pattern_of(restarted_identity, stem, DIGITS),
        pattern_of(config_name, stem),
        pattern_of(connection_name, stem),
        pattern_of(restarted_config, stem, DIGITS),
        pattern_of(restarted_connection, stem, DIGITS),
        pattern_of(being_published, stem, DIGITS),
        pattern_of(republished, stem, DIGITS, DIGITS),
        pattern_of(lambda name, pid, at: temporary_name(token_name(name), pid, at), stem, DIGITS, HEX),
        pattern_of(lambda name, pid, at: temporary_name(identity_name(name), pid, at), stem, DIGITS, HEX),
        pattern_of(lambda name, pid, at: temporary_name(config_name(name), pid, at), stem, DIGITS, HEX),
        pattern_of(
            lambda name, run, pid, at: temporary_name(restarted_identity(name, run), pid, at),
            stem,
            DIGITS,
            DIGITS,
            HEX,
        ),
    )


LAUNCHES = launch_files_of(_STEM)
CONNECTION = pattern_of(connection_name, _STEM)
COPIES = any_of(
    pattern_of(copy_name, "[0-9a-f]{12}"),
    pattern_of(copy_in_the_making, "[0-9a-f]{12}", DIGITS),
    pattern_of(copy_set_aside, "[0-9a-f]{12}", DIGITS),
)
