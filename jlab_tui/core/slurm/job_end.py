"""Explains how a job ended, from Slurm's state and reason and the exit codes of our job script."""

from __future__ import annotations

from .messages import Advice
from .terms import JobState

START_AGAIN = "Start a new one with: jlab-mcp start"

SCRIPT_EXITS: dict[int, Advice] = {
    88: Advice(
        "The project's Python does not run on the node.",
        "`jlab-mcp logs` shows what it says. Make the environment on a node of that partition, or select another one in "
        "JLAB_MCP_SETUP; then start again. JLAB_MCP_PYTHON_FALLBACK=1 runs kernels in another Python instead.",
    ),
    89: Advice(
        "A line of JLAB_MCP_SETUP failed on the node.",
        "Correct JLAB_MCP_SETUP, then start again. A job's shell knows conda only after `source <conda>/etc/profile.d/conda.sh`; "
        "`|| true` behind a line lets it fail.",
    ),
    90: Advice(
        "The modules could not be loaded on the node.",
        "`jlab-mcp logs` shows why; correct JLAB_MCP_SLURM_MODULES, then start again.",
    ),
    91: Advice(
        "No Python was found on the node: the project's .venv is missing or not visible there.",
        "Make one on a file system that the nodes share: `python3 -m venv .venv && .venv/bin/python -m pip install jupyterlab "
        "ipykernel`, or name it in JLAB_MCP_SETUP; then start again.",
    ),
    92: Advice(
        "The Python on the node has no jupyter_server.",
        "Install it: `.venv/bin/python -m pip install jupyterlab ipykernel` (or `uv add jupyterlab ipykernel`); "
        "then start again. Where JLAB_MCP_SETUP is set, it has to put that environment on the PATH: `source .venv/bin/activate`.",
    ),
    93: Advice(
        "The node does not see the files of the launch: the status directory is not on a shared file system.",
        "Set JLAB_MCP_DIR to a directory that the login node and the compute nodes share; then start again.",
    ),
    94: Advice(
        "The copy of the Jupyter extension changed after the job was submitted, so the job did not run it.",
        "Start again, which makes a new copy. `jlab-mcp doctor` checks who may change the directory.",
    ),
    95: Advice(
        "The node cannot write to the status directory: it may see your home directory read-only.",
        "Set JLAB_MCP_DIR to a directory that the nodes can write to, such as /scratch/$USER/.jlab-mcp; then start again.",
    ),
    96: Advice(
        "The node has no address of the kind that JLAB_MCP_SLURM_BIND_IP names.",
        "Set it to an interface (ib0), a network (10.1.0.0/16) or 0.0.0.0 for all addresses, then start again.",
    ),
    97: Advice(
        "The Python on the node cannot import Jupyter.",
        "Install it: `.venv/bin/python -m pip install jupyterlab ipykernel` (or `uv add jupyterlab ipykernel`); "
        "then start again.",
    ),
    98: Advice(
        "Every port in the range is taken on the node.",
        "Set JLAB_MCP_PORT_MIN and JLAB_MCP_PORT_MAX to another or a wider range, then start again.",
    ),
}
"""exit codes of templates/jupyter_slurm.sh.template and of jupyter_extension/launch.py"""


def explain_end(
    state: JobState,
    job_id: str,
    *,
    reason: str = "",
    exit_code: int = 0,
    signal: int = 0,
    node: str = "",
    by_us: bool = False,
) -> Advice:
    """Explain a job in an ended state, with the next step.

    `by_us`: we sent the scancel. `exit_code` and `signal` are the two halves of Slurm's ExitCode.
    """
    where = f" on {node}" if node else ""
    job = f"Job {job_id}"
    match state:
        case JobState.TIMEOUT:
            return Advice(
                f"{job} reached the end of its walltime.",
                f"{START_AGAIN} TIME (a longer one, such as 8:00:00)",
            )
        case JobState.DEADLINE:
            return Advice(f"{job} reached its deadline.", START_AGAIN)
        case JobState.CANCELLED if by_us:
            return Advice(f"{job} was cancelled by jlab-mcp.", START_AGAIN)
        case JobState.CANCELLED:
            return Advice(f"{job} was cancelled (by scancel, not by jlab-mcp).", START_AGAIN)
        case JobState.PREEMPTED:
            return Advice(
                f"{job} was preempted: a job with a higher priority took its node{where}.",
                f"{START_AGAIN}; a partition that is not preemptible avoids it",
            )
        case JobState.NODE_FAIL | JobState.BOOT_FAIL | JobState.RECONFIG_FAIL:
            return Advice(f"{job} ended because its node failed{where}.", START_AGAIN)
        case JobState.OUT_OF_MEMORY:
            return Advice(
                f"{job} was killed: it used more memory than it asked for.",
                f"Raise JLAB_MCP_SLURM_MEM (in MB). {START_AGAIN}",
            )
        case JobState.LAUNCH_FAILED:
            return _not_launched(job, where)
        case JobState.FAILED if "Launch" in reason or (exit_code, signal) == (0, 53):
            return _not_launched(job, where)
        case JobState.FAILED if exit_code in SCRIPT_EXITS:
            return SCRIPT_EXITS[exit_code]
        case JobState.FAILED if signal:
            return Advice(
                f"{job} was killed by signal {signal}{where}.", f"`jlab-mcp logs` shows why. {START_AGAIN}"
            )
        case JobState.FAILED:
            return Advice(
                f"{job} failed with exit code {exit_code}{where}.",
                f"`jlab-mcp logs` shows why. {START_AGAIN}",
            )
        case JobState.COMPLETED:
            return Advice(f"{job} ended by itself: JupyterLab was shut down{where}.", START_AGAIN)
        case JobState.REVOKED:
            return Advice(f"{job} was taken over by another cluster of the federation.", START_AGAIN)
        case _:
            return Advice(f"{job} is in state {state.value}.", "`jlab-mcp status` shows more.")


def explain_gone(job_id: str) -> Advice:
    """Explain a job that Slurm no longer lists: it ended at least minutes ago, and Slurm no longer knows how."""
    return Advice(
        f"Job {job_id} has ended; Slurm no longer knows how.",
        f"`sacct -j {job_id}` may tell. {START_AGAIN}",
    )


def explain_live(state: JobState, job_id: str, *, node: str = "", restarts: int = 0) -> Advice:
    """Explain a state of an existing job; the reason says more about a waiting job (`explain_pending`)."""
    where = f" on {node}" if node else ""
    job = f"Job {job_id}"
    again = "Variables of its kernels are lost. `jlab-mcp stop` cancels it." if restarts else ""
    match state:
        case JobState.PENDING if restarts:
            return Advice(f"{job} was requeued and waits to start again.", again)
        case JobState.PENDING:
            return Advice(f"{job} waits in the queue.", "")
        case JobState.REQUEUED | JobState.REQUEUE_FED:
            return Advice(f"{job} is going back to the queue.", again)
        case JobState.REQUEUE_HOLD | JobState.SPECIAL_EXIT | JobState.RESV_DEL_HOLD:
            return Advice(
                f"{job} went back to the queue and is held.",
                f"Release it with `scontrol release {job_id}`, or cancel it with `jlab-mcp stop`.",
            )
        case JobState.CONFIGURING | JobState.POWER_UP_NODE:
            return Advice(f"{job} has its node, which is starting{where}.", "")
        case JobState.RUNNING | JobState.RESIZING | JobState.SIGNALING | JobState.UPDATE_DB:
            return Advice(f"{job} runs{where}.", "")
        case JobState.SUSPENDED | JobState.STOPPED:
            return Advice(
                f"{job} is suspended{where}: nothing in it runs until it is resumed.",
                "An administrator or the scheduler resumes it.",
            )
        case JobState.COMPLETING | JobState.STAGE_OUT:
            return Advice(f"{job} is ending{where}.", "")
        case JobState.UNKNOWN:
            return Advice(
                f"{job} is in a state that this version of jlab-mcp does not know.", "`squeue --me` shows it."
            )
        case _:
            return Advice(f"{job} is in state {state.value}.", "")


def _not_launched(job: str, where: str) -> Advice:
    return Advice(
        f"{job} could not be started{where}: most often the directory of its log, or its working directory, "
        "does not exist on the node, or cannot be written there.",
        "Set JLAB_MCP_DIR (and JLAB_MCP_LOG_DIR, if that is set) to a directory that the nodes share and can write to, and put the "
        "project on such a file system; then start again.",
    )
