"""`sbatch --test-only`: whether Slurm would take the job that `start` submits. Nothing is submitted."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping

from ..core.settings import Settings
from ..core.slurm_script import (
    ScriptInputs,
    check_request,
    render_script,
    script_values,
    submission_environment,
)
from ..core.slurm_submit import Rejected, explain_rejection
from .local import server_env
from .slurm import SUBMIT_TIMEOUT_S, run
from .slurm_server import read_template, request_of


async def test_request(settings: Settings, env: Mapping[str, str]) -> tuple[Rejected | None, str]:
    """Why it would be refused, or None and what Slurm says of its start. Raises UsageError for what we refuse."""
    request = check_request(request_of(settings))
    inputs = ScriptInputs(
        submission="0" * 16,
        log="/dev/null",
        workdir=str(settings.server_root_dir),
        launcher=str(settings.node_dir / "launch.py"),
        config="/dev/null",
        pythons=[sys.executable],
        setup=settings.setup,
    )
    script = render_script(read_template(settings.slurm.template), script_values(request, inputs))
    environment = submission_environment(server_env(env))
    ran = await run(["sbatch", "--test-only"], environment, SUBMIT_TIMEOUT_S, stdin=script)
    if not ran.is_ok:
        return explain_rejection(ran.err), ""
    said = re.search(r"Job \d+ (to start at .*)", ran.err + ran.out)
    return None, said[1].strip() if said else ""
