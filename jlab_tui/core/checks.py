"""What `jlab-mcp doctor` concludes: facts in, findings out, each with the command that mends it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from .models import ServerRecord
from .registration import Registered
from .settings import PREFIX, Mode, SlurmSettings
from .situation import Situation
from .slurm import parse_span
from .slurm_queue import QueueAnswer, QueueUnknown
from .slurm_submit import Estimate, Rejected
from .slurm_survey import SOON_S, Partition, about, format_span, survey_lines

LOW_DISK_MB = 1024
LOW_FILES = 1000
MANY_RECORDS_BYTES = 10_000_000_000
CLOCK_WARN_S = 2.0
CLOCK_FAIL_S = 30.0


class Level(StrEnum):
    OK = "ok"
    WARN = "warn"
    """it works, but not as well as it should"""
    FAIL = "fail"
    SKIP = "skip"
    """could not be looked at, or does not apply"""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report."""

    check: str
    level: Level
    text: str
    mend: str = ""
    """what to type; empty where nothing is to be done"""


@dataclass(frozen=True, slots=True)
class PythonFacts:
    """What an interpreter says of itself."""

    path: str
    version: str = ""
    """empty: it could not be run"""
    packages: Mapping[str, str] | None = None
    """versions of the packages asked for that it has"""
    has_pip: bool = True
    torch_cuda: str = ""
    """CUDA version that its PyTorch was built for"""
    torch_hip: str = ""

    def has(self, *names: str) -> bool:
        return all(name in (self.packages or {}) for name in names)

    def install(self, *packages: str) -> str:
        """The command that installs packages there."""
        tool = (
            [self.path, "-m", "pip", "install"]
            if self.has_pip
            else ["uv", "pip", "install", "--python", self.path]
        )
        return shlex.join([*tool, *packages])


@dataclass(frozen=True, slots=True)
class DriverFacts:
    """The GPU driver of one machine."""

    host: str
    maker: str = ""
    """`nvidia`, `amd`, or empty: none found"""
    version: str = ""
    cuda: str = ""
    """highest CUDA version of an NVIDIA driver"""


@dataclass(frozen=True, slots=True)
class DirectoryFacts:
    purpose: str
    path: str
    variable: str
    exists: bool
    is_writable: bool
    """the directory, or where it would be made"""
    mode: int | None = None
    """permission bits of a directory that holds tokens; None where privacy does not matter"""
    free_mb: int | None = None
    free_files: int | None = None
    write_error: str = ""
    """why a small file could not be written, such as an exceeded quota"""


def check_program(
    version: str, python: tuple[int, int, int], prefix: str, missing: Sequence[str], *, throwaway: bool
) -> list[Finding]:
    number = ".".join(map(str, python))
    text = f"jlab-mcp {version} on Python {number} in {prefix}"
    if missing:
        names = ", ".join(missing)
        mend = shlex.join([f"{prefix}/bin/python", "-m", "pip", "install", *missing])
        return [Finding("program", Level.FAIL, f"{text} lacks {names}.", mend)]
    if throwaway:
        text += ", an environment that is removed when its cache is cleaned"
        return [Finding("program", Level.WARN, text, "uv tool install jlab-mcp (from where you got it)")]
    return [Finding("program", Level.OK, text)]


def check_environment(
    chosen: PythonFacts, own: PythonFacts, note: str, setup: str, *, kernel_only: bool
) -> list[Finding]:
    """The Python that runs the kernels, and the one that runs JupyterLab."""
    if setup.strip():
        text = "JLAB_MCP_SETUP prepares the environment; what it gives is seen when the server starts."
        return [Finding("environment", Level.SKIP, text)]
    found = []
    if not chosen.version:
        return [
            Finding(
                "environment", Level.FAIL, f"{chosen.path} cannot be run.", f"rm -r {_prefix(chosen.path)}"
            )
        ]
    if note:
        needed = chosen.install("ipykernel", "jupyterlab")
        mend = note.partition("add it with: ")[2] or needed
        found.append(Finding("environment", Level.WARN, note.partition(";")[0] + ".", mend))
    versions = _versions(chosen, "ipykernel", "jupyterlab", "jupyter_server")
    if not chosen.has("ipykernel"):
        text = f"kernels would run in {chosen.path}, which has no ipykernel."
        return [*found, Finding("environment", Level.FAIL, text, chosen.install("ipykernel"))]
    found.append(
        Finding(
            "environment", Level.OK, f"kernels run in {chosen.path} (Python {chosen.version}, {versions})"
        )
    )
    if kernel_only:
        server = _versions(own, "jupyterlab", "jupyter_server")
        level = Level.OK if own.has("jupyterlab", "jupyter_server") else Level.FAIL
        mend = "" if level is Level.OK else own.install("jupyterlab")
        found.append(Finding("server", level, f"JupyterLab runs in {own.path} ({server})", mend))
    return found


def _prefix(python: str) -> str:
    return shlex.quote(python.removesuffix("/bin/python"))


def _versions(python: PythonFacts, *names: str) -> str:
    packages = python.packages or {}
    return ", ".join(f"{name} {packages.get(name, 'missing')}" for name in names)


def check_torch(python: PythonFacts, driver: DriverFacts | None) -> list[Finding]:
    """Whether PyTorch was built for the GPU driver. `driver` None: the machine that will run it is not known yet."""
    torch = (python.packages or {}).get("torch", "")
    if not torch:
        return []
    built = (
        f"CUDA {python.torch_cuda}"
        if python.torch_cuda
        else f"ROCm {python.torch_hip}"
        if python.torch_hip
        else "CPUs only"
    )
    text = f"PyTorch {torch} is built for {built}"
    if driver is None:
        return [Finding("torch", Level.SKIP, f"{text}; the node's driver is seen once a job runs.")]
    seen = f"{driver.maker.upper()} driver {driver.version}".strip()
    if not driver.maker:
        return [Finding("torch", Level.OK, f"{text}; {driver.host} has no GPU driver.")]
    reinstall = python.install("--force-reinstall", "torch")
    if driver.maker == "nvidia":
        if not python.torch_cuda:
            text = f"{text}, but {driver.host} has an {seen}."
            return [Finding("torch", Level.WARN, text, reinstall)]
        if driver.cuda and _major(python.torch_cuda) > _major(driver.cuda):
            text = f"{text}, but the {seen} of {driver.host} goes only up to CUDA {driver.cuda}."
            mend = f"{reinstall}   (choose a build for CUDA {_major(driver.cuda)})"
            return [Finding("torch", Level.FAIL, text, mend)]
    elif not python.torch_hip:
        text = f"{text}, but {driver.host} has an AMD GPU."
        mend = f"{reinstall}   (choose a build for ROCm)"
        return [Finding("torch", Level.WARN, text, mend)]
    return [Finding("torch", Level.OK, f"{text}, which suits the {seen} of {driver.host}.")]


def _major(version: str) -> int:
    head = version.partition(".")[0]
    return int(head) if head.isdecimal() else 0


def check_directory(facts: DirectoryFacts) -> list[Finding]:
    quoted = shlex.quote(facts.path)
    check = facts.purpose
    if facts.write_error or not facts.is_writable:
        why = facts.write_error or "you may not write there"
        mend = f"export JLAB_MCP_{facts.variable}=/a/directory/of/yours"
        return [Finding(check, Level.FAIL, f"{facts.path}: {why}.", mend)]
    if facts.mode is not None and facts.exists and facts.mode & 0o077:
        text = f"{facts.path} holds tokens and can be entered by others (mode {facts.mode:o})."
        return [Finding(check, Level.FAIL, text, f"chmod 700 {quoted}")]
    if facts.free_mb is not None and facts.free_mb < LOW_DISK_MB:
        text = f"{facts.path} has only {facts.free_mb} MB left."
        mend = f"du -sh {quoted}/* | sort -h   (then remove what you do not need)"
        return [Finding(check, Level.WARN, text, mend)]
    if facts.free_files is not None and facts.free_files < LOW_FILES:
        text = f"the file system of {facts.path} has room for only {facts.free_files} more files."
        return [Finding(check, Level.WARN, text, f"du --inodes -d 1 {quoted} | sort -n")]
    room = f", {facts.free_mb / 1024:.0f} GiB free" if facts.free_mb is not None else ""
    return [Finding(check, Level.OK, f"{facts.path}{'' if facts.exists else ' (made when needed)'}{room}")]


def check_records(directory: str, bytes_used: int, keep_days: int) -> list[Finding]:
    """Journals and recordings of this project."""
    text = f"{bytes_used / 1e6:,.0f} MB of journals and recordings, kept for {keep_days} days"
    if bytes_used > MANY_RECORDS_BYTES:
        mend = f"export {PREFIX}KEEP_DAYS=7   (or: ls -lS {shlex.quote(directory)}/sessions)"
        return [Finding("records", Level.WARN, f"{text}.", mend)]
    return [Finding("records", Level.OK, text)]


def check_bells(directory: str, error: str) -> list[Finding]:
    if not error:
        return [Finding("bells", Level.OK, f"FIFOs can be made for {directory}")]
    text = f"FIFOs cannot be made for {directory} ({error}); /tmp is used instead, on this host only."
    return [Finding("bells", Level.WARN, text, "export JLAB_MCP_STATUS_DIR=/a/directory/that/takes/FIFOs")]


def check_ports(ip: str, low: int, high: int, *, found: bool, is_bindable: bool) -> list[Finding]:
    if not is_bindable:
        text = f"this machine has no address {ip}."
        return [Finding("ports", Level.FAIL, text, "unset JLAB_MCP_LOCAL_BIND_IP")]
    if not found:
        text = f"every port from {low} to {high} is taken."
        return [Finding("ports", Level.FAIL, text, "unset JLAB_MCP_PORT_MIN JLAB_MCP_PORT_MAX")]
    return [Finding("ports", Level.OK, f"a port from {low} to {high} is free on {ip}")]


def check_state(situation: Situation | None, error: str, stale_intent: str) -> list[Finding]:
    """What the status file says, against what is the case. `stale_intent`: a start that died, on `host:pid`."""
    if error:
        return [Finding("state", Level.FAIL, error, "jlab-mcp stop")]
    found = []
    if stale_intent:
        text = f"a start or stop by {stale_intent} was cut off; the next one takes over."
        found.append(Finding("state", Level.WARN, text, "jlab-mcp stop"))
    if situation is None:
        return [*found, Finding("state", Level.OK, "no server is running for this project (jlab-mcp start)")]
    if situation.is_over:
        mend = "jlab-mcp logs; jlab-mcp start" if situation.phase == "failed" else "jlab-mcp start"
        return [*found, Finding("state", Level.WARN, situation.sentence, mend)]
    return [*found, Finding("state", Level.OK, situation.sentence)]


@dataclass(frozen=True, slots=True)
class Hops:
    """How far one gets on the way to the server."""

    host: str
    port: int
    address: str = ""
    """what its name resolves to; empty: it does not resolve"""
    connects: bool = False
    connect_error: str = ""
    answers: bool = False


def check_hops(record: ServerRecord, hops: Hops) -> list[Finding]:
    """Name, port, answer: the first that fails is the one to mend."""
    if hops.answers:
        return [Finding("reach", Level.OK, f"{record.url} answers ({hops.host} is {hops.address})")]
    if not hops.address:
        text = f"the name {hops.host} does not resolve here."
        return [
            Finding("reach", Level.FAIL, text, f"getent hosts {hops.host}   (then ask your administrators)")
        ]
    if not hops.connects:
        text = f"{hops.host} ({hops.address}) does not take connections on port {hops.port}: {hops.connect_error}."
        mend = "jlab-mcp logs   (is it listening?)"
        if record.mode is Mode.SLURM:
            ask = f"srun --overlap --jobid {record.job_id} ss -tln"
            mend = f"{ask}   (listening there, refused here: a firewall; use another login node)"
        return [Finding("reach", Level.FAIL, text, mend)]
    text = f"port {hops.port} of {hops.host} is open, but JupyterLab does not answer as ours."
    return [Finding("reach", Level.FAIL, text, "jlab-mcp stop; jlab-mcp start")]


def check_clock(host: str, offset_s: float | None) -> list[Finding]:
    """`offset_s`: the node's clock minus ours."""
    if offset_s is None:
        return []
    if abs(offset_s) < CLOCK_WARN_S:
        return [Finding("clock", Level.OK, f"{host} and this host agree to {abs(offset_s):.1f} s")]
    level = Level.FAIL if abs(offset_s) >= CLOCK_FAIL_S else Level.WARN
    ahead = "ahead of" if offset_s > 0 else "behind"
    text = f"the clock of {host} is {abs(offset_s):.0f} s {ahead} this one; times in the dashboard are off."
    return [Finding("clock", level, text, "timedatectl status   (on both; then tell the administrators)")]


def check_proxies(env: Mapping[str, str]) -> list[Finding]:
    """Proxy variables do not stand in the way: connections to the server never use one."""
    names = sorted({n for n in env if n.lower() in ("http_proxy", "https_proxy", "all_proxy") and env[n]})
    if not names:
        return [Finding("proxies", Level.OK, "none set")]
    return [Finding("proxies", Level.OK, f"{', '.join(names)} set; jlab-mcp goes past them to the server")]


def check_slurm_commands(missing: Sequence[str], answer: QueueAnswer | None) -> list[Finding]:
    if missing:
        text = f"not on the PATH: {', '.join(missing)}."
        return [
            Finding("slurm", Level.FAIL, text, "module load slurm   (or: export JLAB_MCP_RUN_MODE=local)")
        ]
    if isinstance(answer, QueueUnknown):
        return [Finding("slurm", Level.FAIL, answer.reason, "scontrol ping")]
    return [Finding("slurm", Level.OK, "sbatch, squeue and sinfo are there and the controller answers")]


def check_partition(partitions: Sequence[Partition], options: SlurmSettings) -> list[Finding]:
    """The partition that a job of ours would go to, and whether one of its nodes has what is asked for."""
    wanted, gres = options.partition, options.gres
    needs_gpu = gres.startswith("gpu")
    chosen = next((p for p in partitions if (p.name == wanted if wanted else p.is_default)), None)
    better = next((p.name for p in partitions if p.is_up and (p.has_gpus or not needs_gpu)), "")
    choose = f"export {PREFIX}SLURM_PARTITION={better}" if better else "sinfo -s"
    if chosen is None:
        names = ", ".join(p.name for p in partitions) or "none"
        what = f"there is no partition {wanted}" if wanted else "this cluster has no default partition"
        return [Finding("partition", Level.FAIL, f"{what} (there are: {names}).", choose)]
    line = survey_lines((chosen,))[0]
    if not chosen.is_up:
        return [Finding("partition", Level.FAIL, f"{line}.", choose)]
    if needs_gpu and not chosen.has_gpus:
        mend = choose if better else f"export {PREFIX}SLURM_GRES=none"
        return [Finding("partition", Level.FAIL, f"{line}, but {gres} is asked for.", mend)]
    found = [
        Finding(
            "partition",
            Level.FAIL,
            f"{line}, but {asked} is asked for.",
            f"export {PREFIX}SLURM_{name}={most}",
        )
        for name, asked, most in _too_much(chosen, options)
    ]
    return found or [Finding("partition", Level.OK, line)]


def _too_much(partition: Partition, options: SlurmSettings) -> Iterator[tuple[str, str, str]]:
    """`(setting, what is asked for, the most that there is)`."""
    if 0 < partition.mem_mb < options.mem_mb:
        yield "MEM", f"{options.mem_mb} MB", str(partition.mem_mb)
    if 0 < partition.cpus < options.cpus:
        yield "CPUS", f"{options.cpus} CPUs", str(partition.cpus)
    asked, limit = parse_span(options.time), partition.time_limit
    if asked is not None and limit is not None and asked > limit:
        yield "TIME", options.time, format_span(limit)


def check_request(answer: Estimate | Rejected, asked: str, now: float) -> list[Finding]:
    """What `sbatch --test-only` says of the job that `start` would submit: account, limits and resources in one."""
    if isinstance(answer, Rejected):
        text = f"{answer.advice.message} Slurm says: {answer.said}"
        return [Finding("request", Level.FAIL, text, answer.advice.hint)]
    when = ""
    if answer.starts is not None:
        wait = answer.starts - now
        when = (
            f", to start {f'in about {about(wait)}' if wait > SOON_S else 'at once'} {answer.where}".rstrip()
        )
    return [Finding("request", Level.OK, f"Slurm would take {asked}{when}")]


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """What a step inside our running job told."""

    sees_files: bool | None = None
    """a file written here a moment ago; None: no step could be run"""
    error: str = ""


def check_shared_files(directory: str, node: str, facts: NodeFacts | None) -> list[Finding]:
    if facts is None:
        return [Finding("shared files", Level.SKIP, "seen once a job of this project runs (jlab-mcp start)")]
    if facts.sees_files is None:
        text = f"no step could be run on {node}: {facts.error}"
        return [Finding("shared files", Level.SKIP, text)]
    if not facts.sees_files:
        text = f"{node} does not see a file that was just written to {directory}."
        return [
            Finding("shared files", Level.FAIL, text, "export JLAB_MCP_DIR=/a/directory/that/nodes/share")
        ]
    return [Finding("shared files", Level.OK, f"{node} sees what is written to {directory}")]


def check_registration(places: Sequence[tuple[Registered, bool]]) -> list[Finding]:
    """`places`: where a client finds this server, and whether the command given there can be run."""
    if not places:
        return [
            Finding("client", Level.WARN, "no MCP client knows jlab-mcp for this project.", "jlab-mcp init")
        ]
    found = []
    for place, runs in places:
        if runs:
            found.append(Finding("client", Level.OK, f"registered in {place.where}: {place.program}"))
        else:
            text = f"{place.where} names {place.program}, which cannot be run."
            found.append(Finding("client", Level.FAIL, text, "jlab-mcp init"))
    return found
