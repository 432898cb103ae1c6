"""What the doctor concludes from what was found, and that nothing wrong is left without a way to fix it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from jlab_tui.adapters.interpreter import parse_nvidia_smi
from jlab_tui.core.cli.client_config import (
    RULES,
    SWITCHED_OFF,
    Broken,
    ClientChoices,
    Denial,
    Registered,
    Scope,
)
from jlab_tui.core.doctor import checks
from jlab_tui.core.doctor import python_checks as checks_python
from jlab_tui.core.doctor import setting_checks as checks_settings
from jlab_tui.core.doctor import slurm_checks as checks_slurm
from jlab_tui.core.doctor.checks import DirectoryFacts, Finding, Hops, Level
from jlab_tui.core.doctor.python_checks import DriverFacts, PythonFacts, Unmet
from jlab_tui.core.doctor.slurm_checks import NodeFacts
from jlab_tui.core.errors import StatusFileDamaged
from jlab_tui.core.link.bridge import LinkFacts
from jlab_tui.core.server.environment import PassedOver
from jlab_tui.core.server.record import ServerRecord, ServerState
from jlab_tui.core.server.status import ServerStatus
from jlab_tui.core.server.trust import Weakness
from jlab_tui.core.settings import Mode, SlurmSettings, load_settings
from jlab_tui.core.slurm.queue import QueueRows, QueueUnknown
from jlab_tui.core.slurm.rejections import explain_rejection
from jlab_tui.core.slurm.submit import Estimate
from jlab_tui.core.slurm.survey import parse_sinfo

ALL = {"ipykernel": "7.1", "jupyterlab": "4.5", "jupyter_server": "2.17"}
OWN = PythonFacts("/v/bin/python", "3.12.1")
GOOD = PythonFacts("/p/.venv/bin/python", "3.12.1", ALL)
JOB = ServerRecord(ServerState.READY, Mode.SLURM, job_id="7", port=18001, url="http://node1:18001")
LOCAL = ServerRecord(ServerState.READY, Mode.LOCAL, port=18001, url="http://127.0.0.1:18001")
SINFO = (
    "cpu*|up|infinite|1:00:00|2|idle|8|64000|(null)\ngpu|up|1-00:00:00|1:00:00|1|idle|64|512000|gpu:a100:4\n"
    "old|down|1-00:00:00|1:00:00|1|idle|64|512000|gpu:k80:4\n"
)
NVIDIA = DriverFacts("node1", "nvidia", "550.54", "12.4")


def torch(cuda: str = "", hip: str = "") -> PythonFacts:
    return PythonFacts("/p/bin/python", "3.12.1", {**ALL, "torch": "2.9.0"}, torch_cuda=cuda, torch_hip=hip)


OPEN = Weakness(
    "/home/ada/.jlab-mcp", "can be written by everybody (mode 775)", "chmod go-w /home/ada/.jlab-mcp"
)


def directory(**changes: object) -> DirectoryFacts:
    values: dict[str, object] = {"exists": True, "is_writable": True, "free_mb": 90_000}
    values["there"] = "/home/ada"
    return DirectoryFacts("state dir", "/home/ada/.jlab-mcp", "DIR", **{**values, **changes})  # type: ignore[arg-type]


def status(state: ServerState, phase: str, reachable: bool | None = None) -> ServerStatus:
    return ServerStatus(ServerRecord(state, Mode.LOCAL), phase, "Words.", reachable=reachable)


def partition(name: str, **asked: object) -> list[Finding]:
    return checks_slurm.check_partition(parse_sinfo(SINFO), SlurmSettings(partition=name, **asked))  # type: ignore[arg-type]


TABLE: list[tuple[str, Callable[[], list[Finding]], Level, str, str]] = [
    ("missing package", lambda: checks_python.check_program("1", OWN, "/v", [Unmet("mcp<2.4")], throwaway=False),
     Level.FAIL, "needs mcp<2.4 (missing)", "/v/bin/python -m pip install 'mcp<2.4'"),
    ("old package", lambda: checks_python.check_program("1", OWN, "/v", [Unmet("rich>=14", "9.1")], throwaway=False),
     Level.FAIL, "rich>=14 (9.1 is installed)", "'rich>=14'"),
    ("slim", lambda: checks_python.check_program("1", OWN, "/v", [Unmet("jupyterlab<5"), Unmet("ipykernel<8")], throwaway=False),
     Level.OK, "installed without JupyterLab", ""),
    ("old JupyterLab", lambda: checks_python.check_program("1", OWN, "/v", [Unmet("jupyterlab>=4.2", "3.6")], throwaway=False),
     Level.FAIL, "jupyterlab>=4.2 (3.6 is installed)", "'jupyterlab>=4.2'"),
    ("uvx", lambda: checks_python.check_program("1", OWN, "/v", [], throwaway=True), Level.WARN, "disappears", "uv tool install"),
    ("program", lambda: checks_python.check_program("1", OWN, "/v", [], throwaway=False), Level.OK, "3.12.1", ""),
    ("settings", lambda: checks_settings.check_settings({"JLAB_MCP_WAIT_S": "5", "HOME": "/h", "JLAB_MCP_VENV": "v"}), Level.OK, "JLAB_MCP_WAIT_S=5 (environment)", ""),
    ("no settings", lambda: checks_settings.check_settings({"JLAB_MCP_DIR": ""}), Level.OK, "defaults", ""),
    ("misspelt setting", lambda: checks_settings.check_settings({"JLAB_MCP_SLURM_PARTION": "my gpu"}), Level.WARN,
     "did you mean JLAB_MCP_SLURM_PARTITION?", "export JLAB_MCP_SLURM_PARTITION='my gpu'; unset JLAB_MCP_SLURM_PARTION"),
    ("no such setting", lambda: checks_settings.check_settings({"JLAB_MCP_TOKEN": "x"}), Level.WARN, "not a setting", "unset JLAB_MCP_TOKEN"),
    ("own environment", lambda: checks_python.check_environment(GOOD, GOOD, None, kernel_only=False, is_tool=True),
     Level.OK, "--bootstrap", ""),
    ("no JupyterLab anywhere", lambda: checks_python.check_environment(OWN, OWN, None, kernel_only=False),
     Level.FAIL, "without JupyterLab, and the project has no", "python3 -m venv .venv"),
    ("no JupyterLab in the project", lambda: checks_python.check_environment(OWN, OWN, PassedOver("/p has no JupyterLab", "", "add it"), kernel_only=False),
     Level.FAIL, "without JupyterLab, and /p has no JupyterLab.", "add it"),
    ("environment", lambda: checks_python.check_environment(GOOD, GOOD, None, kernel_only=False), Level.OK, "ipykernel 7.1", ""),
    ("no kernel", lambda: checks_python.check_environment(PythonFacts("/p/python", "3.12", {}), GOOD, None, kernel_only=False),
     Level.FAIL, "no ipykernel", "/p/python -m pip install ipykernel"),
    ("no kernel and no pip",
     lambda: checks_python.check_environment(PythonFacts("/p/python", "3.12", {}, False), GOOD, None, kernel_only=False),
     Level.FAIL, "no ipykernel", "uv pip install --python /p/python ipykernel"),
    ("broken venv", lambda: checks_python.check_environment(PythonFacts("/p/.venv/bin/python"), GOOD, None, kernel_only=False),
     Level.FAIL, "does not run: it printed nothing", "/p/.venv/bin/python -c"),
    ("node elsewhere", lambda: checks_python.check_node("On n, kernels run elsewhere."), Level.WARN, "On n", "jlab-mcp logs"),
    ("setup on a node", lambda: checks_python.check_setup(None), Level.SKIP, "start a job to check its result", ""),
    ("setup", lambda: checks_python.check_setup(GOOD), Level.OK, "selects /p/.venv/bin/python", ""),
    ("broken setup of the site", lambda: checks_python.check_setup(PythonFacts("python", trouble="no"), "module load 'x y'"), Level.FAIL, "no", "bash -xc 'module load '\"'\"'x y'\"'\"'; python --version'"),
    ("setup without Jupyter", lambda: checks_python.check_setup(OWN), Level.FAIL, "lacks jupyter_server and ipykernel", "pip install jupyter_server ipykernel"),
    ("broken setup", lambda: checks_python.check_setup(PythonFacts("python", trouble="conda: not found")), Level.FAIL, "conda: not found", "bash -xc"),
    ("no server root", lambda: checks.check_server_root("/a b", False), Level.FAIL, "no directory /a b", "mkdir -p '/a b'"),
    ("torch on its driver", lambda: checks_python.check_torch(torch("12.8"), NVIDIA), Level.OK, "suits", ""),
    ("torch too new", lambda: checks_python.check_torch(torch("13.0"), NVIDIA), Level.FAIL, "only up to 12.4", "torch --index-url https://download.pytorch.org/whl/cu126"),
    ("torch for CPUs", lambda: checks_python.check_torch(torch(), NVIDIA), Level.WARN, "CPUs only", "--force-reinstall torch"),
    ("torch for AMD", lambda: checks_python.check_torch(torch("12.8"), DriverFacts("n", "amd")), Level.WARN, "AMD", "ROCm"),
    ("torch, no GPU", lambda: checks_python.check_torch(torch("12.8"), DriverFacts("n")), Level.OK, "no GPU driver", ""),
    ("torch, node unknown", lambda: checks_python.check_torch(torch("12.8"), None), Level.SKIP, "start a job to check it", ""),
    ("directory", lambda: checks.check_directory(directory()), Level.OK, "88 GiB", ""),
    ("open directory", lambda: checks.check_directory(directory(weak=(OPEN,))), Level.FAIL, "mode 775", "chmod go-w /home/ada/.jlab-mcp"),
    ("read-only", lambda: checks.check_directory(directory(is_writable=False)), Level.FAIL, "may not write", "JLAB_MCP_DIR="),
    ("quota", lambda: checks.check_directory(directory(write_error="Disk quota exceeded")), Level.FAIL, "quota", "JLAB_MCP_DIR="),
    ("full disk", lambda: checks.check_directory(directory(free_mb=12)), Level.WARN, "12 MB", "du -sh /home/ada/*"),
    ("no inodes", lambda: checks.check_directory(directory(free_files=3)), Level.WARN, "3 more files", "du --inodes"),
    ("records", lambda: checks.check_records("/s", 12_000_000, 30, 0), Level.OK, "12 MB", ""),
    ("many records", lambda: checks.check_records("/s", 10**11, 30, 0), Level.WARN, "100,000 MB", "RECORDS_MB=5000"),
    ("capped records", lambda: checks.check_records("/s", 12_000_000, 30, 5_000), Level.OK, "kept for 30 days and up to 5,000 MB", ""),
    ("no FIFOs", lambda: checks.check_bells("/s/fifos", "Operation not permitted"), Level.WARN, "/tmp", "STATUS_DIR"),
    ("FIFOs", lambda: checks.check_bells("/s/fifos", ""), Level.OK, "FIFOs work", ""),
    ("ports", lambda: checks.check_ports("127.0.0.1", 1, 2, found=True, is_bindable=True), Level.OK, "free", ""),
    ("no port", lambda: checks.check_ports("127.0.0.1", 1, 2, found=False, is_bindable=True), Level.FAIL, "taken", "unset JLAB_MCP_PORT_MIN"),
    ("no address", lambda: checks.check_ports("10.9.9.9", 1, 2, found=False, is_bindable=False), Level.FAIL, "no address", "unset"),
    ("damaged", lambda: checks.check_state(None, StatusFileDamaged("/s", "no STATE"), ""), Level.FAIL, "no STATE", "Run `jlab-mcp stop`"),
    ("intent", lambda: checks.check_state(None, None, "login1:7")[:1], Level.WARN, "was interrupted", "jlab-mcp stop"),
    ("nothing runs", lambda: checks.check_state(None, None, ""), Level.OK, "no server", ""),
    ("no name", lambda: checks.check_hops(JOB, Hops("node1", 18001)), Level.FAIL, "does not resolve", "getent hosts node1"),
    ("firewall", lambda: checks.check_hops(JOB, Hops("node1", 18001, "10.0.0.1", connect_error="refused")),
     Level.FAIL, "refused", "srun --overlap --jobid 7"),
    ("refused here", lambda: checks.check_hops(LOCAL, Hops("127.0.0.1", 18001, "127.0.0.1", connect_error="refused")),
     Level.FAIL, "refused", "jlab-mcp logs"),
    ("stranger", lambda: checks.check_hops(LOCAL, Hops("127.0.0.1", 18001, "127.0.0.1", connects=True)),
     Level.FAIL, "it hangs", "jlab-mcp stop; jlab-mcp start"),
    ("by a step", lambda: checks.check_link(JOB, LinkFacts("srun", "its port is closed")), Level.OK, "is reached by srun (its", ""),
    ("no way", lambda: checks.check_link(JOB, LinkFacts("none", "srun: refused")), Level.FAIL, "this host: srun: refused.", "srun --overlap --jobid 7 hostname; ssh"),
    ("reached", lambda: checks.check_hops(LOCAL, Hops("127.0.0.1", 18001, "127.0.0.1", True, "", True)), Level.OK, "answers", ""),
    ("clocks", lambda: checks.check_clock("node1", 0.3), Level.OK, "agree", ""),
    ("clock behind", lambda: checks.check_clock("node1", -12), Level.WARN, "12 s behind", "timedatectl"),
    ("clock far off", lambda: checks.check_clock("node1", 3600), Level.FAIL, "3600 s ahead of", "timedatectl"),
    ("proxies", lambda: checks.check_proxies({"HTTPS_PROXY": "http://proxy:3128"}), Level.OK, "ignores them", ""),
    ("no Slurm", lambda: checks_slurm.check_slurm_commands(["sbatch"], None), Level.FAIL, "sbatch", "JLAB_MCP_RUN_MODE=local"),
    ("no Slurm, but locked", lambda: checks_slurm.check_slurm_commands(["sbatch"], None, "/c, line 3"), Level.FAIL, "sbatch. The site keeps JLAB_MCP_RUN_MODE as it is (/c, line 3).", "module load slurm"),
    ("no controller, but locked", lambda: checks_slurm.check_slurm_commands([], QueueUnknown("It is off."), "/c, line 3"), Level.FAIL, "It is off. The site keeps JLAB_MCP_RUN_MODE as", "scontrol ping"),
    ("controller", lambda: checks_slurm.check_slurm_commands([], QueueUnknown("It does not answer.")), Level.FAIL, "does not answer", "scontrol ping"),
    ("partition", lambda: partition("gpu"), Level.OK, "a100 x4", ""),
    ("no such partition", lambda: partition("gpus"), Level.FAIL, "no partition gpus", "SLURM_PARTITION=gpu"),
    ("no default", lambda: checks_slurm.check_partition(parse_sinfo(SINFO.replace("*", "")), SlurmSettings(gres="")),
     Level.FAIL, "no default partition", "SLURM_PARTITION=cpu"),
    ("no GPUs there", lambda: partition(""), Level.FAIL, "but you ask for", "SLURM_PARTITION=gpu"),
    ("closed", lambda: partition("old"), Level.FAIL, "closed", "SLURM_PARTITION=gpu"),
    ("too much memory", lambda: partition("gpu", mem_mb=10**6), Level.FAIL, "1000000 MB", "SLURM_MEM=512000"),
    ("too many CPUs", lambda: partition("gpu", cpus=65), Level.FAIL, "65 CPUs", "SLURM_CPUS=64"),
    ("too long", lambda: partition("gpu", time="2-00:00:00"), Level.FAIL, "you ask for 2-00:00:00", "SLURM_TIME=1-00:00:00"),
    ("request refused", lambda: checks_slurm.check_request(explain_rejection("sbatch: error: invalid account"), "1 GPU", 0),
     Level.FAIL, "Slurm says", "."),
    ("request taken", lambda: checks_slurm.check_request(Estimate(5), "1 GPU", 0), Level.OK, "to start at once", ""),
    ("files not shared", lambda: checks_slurm.check_shared_files("/d", "node1", NodeFacts(sees_files=False)), Level.FAIL, "does not see", "JLAB_MCP_DIR="),
    ("files read-only", lambda: checks_slurm.check_shared_files("/d", "node1", NodeFacts(sees_files=True, can_write=False)), Level.FAIL, "cannot write", "JLAB_MCP_DIR="),
    ("files shared", lambda: checks_slurm.check_shared_files("/d", "node1", NodeFacts(sees_files=True)), Level.OK, "sees", ""),
    ("no step", lambda: checks_slurm.check_shared_files("/d", "n", NodeFacts(error="denied")), Level.SKIP, "denied", ""),
    ("no job", lambda: checks_slurm.check_shared_files("/d", "", None, "ext4"), Level.SKIP, "start a job to check whether a node sees /d on ext4", ""),
    ("in memory", lambda: checks_slurm.check_shared_files("/d", "", None, "tmpfs"), Level.FAIL, "no node sees it", "JLAB_MCP_DIR="),
    ("unregistered", lambda: checks.check_registration([]), Level.WARN, "no MCP client", "jlab-mcp init"),
    ("broken", lambda: checks.check_client_files([Broken("/p/.mcp.json, line 2, column 7", "Expecting ':' delimiter")]), Level.FAIL,
     "/p/.mcp.json, line 2, column 7: Expecting ':' delimiter.", "Correct it; Claude Code reads nothing of it"),
    ("of a cache", lambda: checks.check_registration([(Registered("/p/.mcp.json", "/c/archive-v0/x/bin/jlab-mcp"), True)]), Level.WARN,
     "/p/.mcp.json names /c/archive-v0/x/bin/jlab-mcp, which disappears", "uv tool install jlab-mcp   (from where you got it; then: jlab-mcp init)"),
    ("moved", lambda: checks.check_registration([(Registered(".mcp.json", "/gone/jlab-mcp"), False)]), Level.FAIL, "does not run", "jlab-mcp init"),
    ("a directory that is not made yet", lambda: checks.check_directory(directory(exists=False, free_mb=None)), Level.OK, "jlab-mcp (created when needed)", ""),
    ("just enough room", lambda: checks.check_directory(directory(free_mb=1024, free_files=1000)), Level.OK, "1 GiB", ""),
    ("a bit too full", lambda: checks.check_directory(directory(free_mb=1023)), Level.WARN, "1023 MB", "du"),
    ("a few files too many", lambda: checks.check_directory(directory(free_files=999)), Level.WARN, "999 more files", "du"),
    ("records at the limit", lambda: checks.check_records("/s", 10**10, 30, 0), Level.OK, "10,000 MB", ""),
    ("it ended", lambda: checks.check_state(status(ServerState.ENDED, "ended"), None, ""), Level.WARN, "Words.", "jlab-mcp start"),
    ("it failed", lambda: checks.check_state(status(ServerState.ERROR, "failed"), None, ""), Level.WARN, "Words.", "jlab-mcp logs; jlab-mcp start"),
    ("it is ready", lambda: checks.check_state(status(ServerState.READY, "ready", True), None, ""), Level.OK, "Words.", ""),
    ("it waits", lambda: checks.check_state(status(ServerState.PENDING, "waiting", False), None, ""), Level.OK, "Words.", ""),
    ("another name", lambda: checks.check_hops(LOCAL, Hops("node1", 18001, "10.0.0.1", True, "", True)), Level.OK, "answers (node1 is 10.0.0.1)", ""),
    ("refused here, no job", lambda: checks.check_hops(LOCAL, Hops("n", 1, "1.2.3.4", connect_error="refused")), Level.FAIL, "on port 1: refused", "is it listening?"),
    ("odd answers", lambda: checks.check_answers(2), Level.WARN, "sent 2 answers or messages", "jlab-mcp logs"),
    ("an odd answer", lambda: checks.check_answers(1), Level.WARN, "sent 1 answer or message that", "jlab-mcp logs"),
    ("clock just agrees", lambda: checks.check_clock("n", 1.99), Level.OK, "agree to 2.0 s", ""),
    ("clock just off", lambda: checks.check_clock("n", 2.0), Level.WARN, "2 s ahead of", "timedatectl"),
    ("clock almost useless", lambda: checks.check_clock("n", -29.9), Level.WARN, "30 s behind", "timedatectl"),
    ("clock useless", lambda: checks.check_clock("n", -30.0), Level.FAIL, "30 s behind", "timedatectl"),
    ("no proxies", lambda: checks.check_proxies({"HTTP_PROXY": "", "NO_PROXY": "x", "all_proxies": "y"}), Level.OK, "none set", ""),
    ("a setup that says nothing", lambda: checks_python.check_setup(PythonFacts("python")), Level.FAIL, "it printed nothing", "bash -xc"),
    ("setup without a kernel", lambda: checks_python.check_setup(PythonFacts("/p", "3.12", {"jupyter_server": "2"})), Level.FAIL, "lacks ipykernel.", "/p -m pip install ipykernel"),
    ("tool with the project's Python", lambda: checks_python.check_environment(GOOD, OWN, None, kernel_only=False, is_tool=True), Level.OK, "jupyter_server 2.17)", ""),
    ("no torch", lambda: checks_python.check_torch(GOOD, NVIDIA) or checks_settings.check_settings({}), Level.OK, "none set", ""),
    ("torch of the same CUDA", lambda: checks_python.check_torch(torch("12.9"), NVIDIA), Level.OK, "NVIDIA driver 550.54 of node1", ""),
    ("torch, CUDA unknown", lambda: checks_python.check_torch(torch("13.0"), DriverFacts("n", "nvidia", "1")), Level.OK, "suits", ""),
    ("torch too new for any build", lambda: checks_python.check_torch(torch("13.0"), DriverFacts("n", "nvidia", "1", "10.2")), Level.FAIL, "up to 10.2", "torch   (a build for CUDA 10)"),
    ("torch of an odd CUDA", lambda: checks_python.check_torch(torch("next"), NVIDIA), Level.OK, "built for CUDA next", ""),
    ("ROCm on NVIDIA", lambda: checks_python.check_torch(torch(hip="6.1"), NVIDIA), Level.WARN, "ROCm 6.1, but node1 has an NVIDIA driver 550.54", "--force-reinstall torch"),
    ("ROCm on AMD", lambda: checks_python.check_torch(torch(hip="6.1"), DriverFacts("n", "amd", "6")), Level.OK, "suits the AMD driver 6 of n", ""),
    ("Slurm's default partition", lambda: partition("", gres=""), Level.OK, "cpu (default)", ""),
    ("no GPUs anywhere", lambda: checks_slurm.check_partition(parse_sinfo("cpu*|up|1:00|1:00|1|idle|8|64000|(null)"), SlurmSettings(gres="gpu:1")),
     Level.FAIL, "you ask for gpu:1", "SLURM_GRES=none"),
    ("no partition at all", lambda: checks_slurm.check_partition((), SlurmSettings(partition="x")), Level.FAIL, "no partition x (there are: none)", "sinfo -s"),
    ("as much as there is", lambda: partition("gpu", mem_mb=512000, cpus=64, time="1-00:00:00"), Level.OK, "gpu: up to", ""),
    ("no time limit", lambda: partition("cpu", gres="", time="9-00:00:00"), Level.OK, "no limit", ""),
    ("a time that nobody knows", lambda: partition("gpu", time="soon"), Level.OK, "gpu: up to", ""),
    ("request taken later", lambda: checks_slurm.check_request(Estimate(711.0, "on gpu1"), "1 GPU", 100.0), Level.OK, "1 GPU, to start in about 10 min on gpu1", ""),
    ("request taken soon", lambda: checks_slurm.check_request(Estimate(110.0), "1 GPU", 100.0), Level.OK, "to start at once", ""),
    ("request taken, no time", lambda: checks_slurm.check_request(Estimate(None), "1 GPU", 100.0), Level.OK, "Slurm accepts 1 GPU", ""),
    ("Slurm answers", lambda: checks_slurm.check_slurm_commands([], QueueRows(())), Level.OK, "the controller answers", ""),
    ("no job, disk unknown", lambda: checks_slurm.check_shared_files("/d", "", None), Level.SKIP, "whether a node sees /d ", ""),
    ("in memory, seen all the same", lambda: checks_slurm.check_shared_files("/d", "n", NodeFacts(sees_files=True), "tmpfs"), Level.OK, "n sees", ""),
    ("registered", lambda: checks.check_registration([(Registered(".mcp.json", "jlab-mcp"), True)]), Level.OK, "registered", ""),
]  # fmt: skip


@pytest.mark.parametrize(
    ("examine", "level", "text", "fix"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE]
)
def test_each_finding_has_its_level_its_sentence_and_what_to_type(
    examine: Callable[[], list[Finding]], level: Level, text: str, fix: str
) -> None:
    (finding,) = examine()
    assert finding.level is level and text in finding.text and fix in finding.fix
    assert bool(finding.fix) == (level in (Level.WARN, Level.FAIL))


EXACTLY: list[tuple[Callable[[], list[Finding]], str, str]] = [
    (lambda: checks_settings.check_settings({"JLAB_MCP_VENV": "v", "JLAB_MCP_DIR": "/d"}), "JLAB_MCP_DIR=/d (environment)", ""),
    (lambda: checks.check_directory(directory()), "/home/ada/.jlab-mcp, 88 GiB free", ""),
    (lambda: checks.check_state(status(ServerState.ENDED, "ended"), None, ""), "Words.", "jlab-mcp start"),
    (lambda: checks.check_hops(LOCAL, Hops("127.0.0.1", 18001, "127.0.0.1", True, "", True)), "http://127.0.0.1:18001 answers", ""),
    (lambda: checks_python.check_environment(GOOD, OWN, None, kernel_only=False, is_tool=True),
     "kernels run in /p/.venv/bin/python (Python 3.12.1, ipykernel 7.1, jupyterlab 4.5, jupyter_server 2.17)", ""),
    (lambda: checks_slurm.check_shared_files("/d", "", None), "start a job to check whether a node sees /d (jlab-mcp start)", ""),
    (lambda: checks_slurm.check_partition(parse_sinfo("odd*|up|infinite|n/a|1|idle|n/a|n/a|(null)"), SlurmSettings(gres="", cpus=2, mem_mb=9)),
     "odd (default): up to no limit, 1 node (1 idle), no GPUs", ""),
    (lambda: checks_slurm.check_partition(parse_sinfo("one*|up|infinite|n/a|1|idle|1|4000|(null)"), SlurmSettings(gres="", cpus=2, mem_mb=1)),
     "one (default): up to no limit, 1 node (1 idle), 1 CPU and 4 GB each, no GPUs, but you ask for 2 CPUs.", "export JLAB_MCP_SLURM_CPUS=1"),
]  # fmt: skip


@pytest.mark.parametrize(("examine", "text", "fix"), EXACTLY)
def test_a_finding_says_nothing_that_is_not_so(
    examine: Callable[[], list[Finding]], text: str, fix: str
) -> None:
    (finding,) = examine()
    assert (finding.text, finding.fix) == (text, fix)


def test_a_good_state_has_no_line_if_another_check_covers_it() -> None:
    assert checks.check_server_root("/d", True) == []
    assert checks.check_clock("node1", None) == []
    assert checks.check_answers(0) == []
    assert checks.check_state(status(ServerState.READY, "ready", False), None, "") == []


def test_every_client_and_every_lack_has_a_line() -> None:
    places = [(Registered("a", "/x"), True), (Registered("b", "/y"), False)]
    assert [finding.level for finding in checks.check_registration(places)] == [Level.OK, Level.FAIL]
    lacks = partition("gpu", mem_mb=10**6, cpus=65, time="2-00:00:00")
    assert [finding.fix.partition("SLURM_")[2].partition("=")[0] for finding in lacks] == [
        "MEM",
        "CPUS",
        "TIME",
    ]
    settings = checks_settings.check_settings(
        {"JLAB_MCP_TOKEN": "1", "JLAB_MCP_ZEBRA": "1", "JLAB_MCP_DIR": "/d"}
    )
    assert [finding.fix for finding in settings] == ["unset JLAB_MCP_TOKEN", "unset JLAB_MCP_ZEBRA", ""]


@pytest.mark.parametrize(
    ("own", "levels", "fix"),
    [
        (GOOD, [Level.OK, Level.OK], ""),
        (OWN, [Level.OK, Level.FAIL], "/v/bin/python -m pip install jupyterlab"),
    ],
)
def test_a_project_with_a_kernel_only_needs_our_own_jupyterlab(
    own: PythonFacts, levels: list[Level], fix: str
) -> None:
    found = checks_python.check_environment(
        PythonFacts("/p", "3.12", {"ipykernel": "7"}), own, None, kernel_only=True
    )
    assert [finding.level for finding in found] == levels
    assert (found[1].check, found[1].fix) == ("server", fix)


def test_an_environment_for_which_a_start_fails_is_the_only_finding() -> None:
    chosen, passed = (
        PythonFacts("/c/bin/python", "3.12.1", {}),
        PassedOver("/x has no Python", "add it with", "mend it"),
    )
    (found,) = checks_python.check_environment(chosen, OWN, passed, kernel_only=False, is_refused=True)
    assert (found.level, found.text, found.fix) == (
        Level.FAIL, "/x has no Python, so no kernel can run in it (JLAB_MCP_PYTHON_FALLBACK=1 runs them in /c/bin/python).", "mend it",
    )  # fmt: skip
    tried = checks_python.check_environment(
        chosen, OWN, passed, kernel_only=False, is_refused=True, node_tries=True
    )
    assert tried[0].level is Level.WARN


@pytest.mark.parametrize(
    ("node_tries", "then"), [(False, "so it is not used"), (True, "a job tries it on its node")]
)
def test_an_environment_that_was_passed_over_comes_first(node_tries: bool, then: str) -> None:
    chosen = PythonFacts("/p", "3.12", {"ipykernel": "7"})
    passed = PassedOver("/x has no Python", "add it with", "conda install")
    first, second = checks_python.check_environment(
        chosen, OWN, passed, kernel_only=False, node_tries=node_tries
    )
    assert (first.level, first.text, first.fix) == (Level.WARN, f"/x has no Python; {then}.", "conda install")
    assert second.level is Level.OK
    assert checks_python.check_node("") == []


@pytest.mark.parametrize(
    ("head", "driver", "cuda"),
    [
        (
            "| NVIDIA-SMI 550.54.14   Driver Version: 550.54.14   CUDA Version: 12.4     |",
            "550.54.14",
            "12.4",
        ),
        ("| NVIDIA-SMI 590.10   KMD Version: 590.10   CUDA UMD Version: 13.1 |", "590.10", "13.1"),
        ("No devices were found", "", ""),
    ],
)
def test_the_driver_is_read_from_nvidia_smi(head: str, driver: str, cuda: str) -> None:
    assert parse_nvidia_smi(head, "node1") == DriverFacts("node1", "nvidia", driver, cuda)


def test_a_server_that_is_reached_by_its_port_needs_no_word_on_its_link() -> None:
    assert checks.check_link(JOB, None) == checks.check_link(JOB, LinkFacts("tcp")) == []


def test_an_answer_that_claude_code_took_for_a_no_is_a_failure_with_the_command_that_lets_it_ask_again() -> (
    None
):
    places = [(Registered("/p/.mcp.json", "jlab-mcp"), True)]
    (denied,) = checks.check_approval(places, ClientChoices(("/p/.claude/settings.local.json",)))
    assert denied.level is Level.FAIL and "/p/.claude/settings.local.json" in denied.text
    assert denied.fix.startswith("claude mcp reset-project-choices")
    (asked,) = checks.check_approval(places, ClientChoices())
    assert asked.level is Level.SKIP and "Use this MCP server. Some versions mark another" in asked.text
    assert checks.check_approval(places, ClientChoices(is_approved=True)) == []
    assert checks.check_approval([(Registered("~/.claude.json", "jlab-mcp"), True)], ClientChoices()) == []


BY_FILE = [(Registered("/p/.mcp.json", "jlab-mcp"), True)]


REFUSED = [
    "claude mcp reset-project-choices",
    "Remove jlab-mcp from disabledMcpjsonServers in /s",
    "Remove mcp__jlab-mcp from permissions.deny in /d",
]
OF_PLUGIN = ["Remove mcp__plugin_jlab-mcp_jlab-mcp__* from permissions.deny in /d", "/mcp   (in Claude Code; then plugin:jlab-mcp:jlab-mcp, Enable)"]  # fmt: skip


@pytest.mark.parametrize(
    ("places", "has_plugin", "fixes"),
    [
        (BY_FILE, False, REFUSED),
        ([], False, REFUSED),
        (BY_FILE, True, [*REFUSED, *OF_PLUGIN]),
        ([], True, OF_PLUGIN),
    ],
)
def test_what_keeps_claude_code_from_the_server_is_one_finding_each_where_it_matters(
    places: list[tuple[Registered, bool]], has_plugin: bool, fixes: list[str]
) -> None:
    denials = (
        Denial("/s", "disabledMcpjsonServers", "jlab-mcp"),
        Denial("/d", RULES, "mcp__jlab-mcp"),
        Denial("/d", RULES, "mcp__plugin_jlab-mcp_jlab-mcp__*"),
        Denial("/h", SWITCHED_OFF, "plugin:jlab-mcp:jlab-mcp"),
    )
    found = checks.check_approval(
        places, ClientChoices(("/l",), denials, has_plugin=has_plugin, is_approved=True)
    )
    assert [one.level for one in found] == [Level.FAIL] * len(fixes)
    for one, fix in zip(found, fixes, strict=True):
        assert one.fix.startswith(fix)


def test_tools_that_a_rule_denies_are_named_and_are_no_failure() -> None:
    denials = (
        Denial("/d", RULES, "mcp__jlab-mcp__stop"),
        Denial("/d", RULES, "mcp__jlab-mcp__execute_*"),
        Denial("/h", RULES, "mcp__plugin_jlab-mcp_jlab-mcp__stop"),
    )
    asked, some = checks.check_approval(BY_FILE, ClientChoices(denials=denials))
    assert asked.check == "approval" and some.level is Level.SKIP and not some.fix
    assert some.text == "/d keeps Claude Code from some tools: stop, execute_*"
    refused, some = checks.check_approval(BY_FILE, ClientChoices(("/l",), denials))
    assert refused.level is Level.FAIL and some.level is Level.SKIP
    (some,) = checks.check_approval([], ClientChoices(denials=denials, has_plugin=True))
    assert some.text == "/h keeps Claude Code from some tools: stop"


def test_no_registration_is_missed_while_a_file_that_may_have_it_is_broken() -> None:
    assert checks.check_registration([], is_readable=False) == []
    assert [one.level for one in checks.check_registration(BY_FILE, is_readable=False)] == [Level.OK]


def test_the_plugin_registers_the_server_and_a_second_registration_is_named() -> None:
    assert [f.level for f in checks.check_registration([], has_plugin=True)] == [Level.OK]
    places = [(Registered("/h/.claude.json", "jlab-mcp", scope=Scope.USER), True), *BY_FILE]
    (twice,) = checks.check_registration(places, has_plugin=True)
    assert twice.level is Level.WARN and twice.fix == (
        "claude mcp remove --scope user jlab-mcp; claude mcp remove --scope project jlab-mcp"
    )


@pytest.mark.parametrize(
    ("scope", "name", "fix"),
    [
        (Scope.PROJECT, "jlab-mcp", "jlab-mcp init   (in /p)"),
        (Scope.PROJECT, "my lab", "claude mcp remove --scope project 'my lab'; jlab-mcp init"),
        (Scope.LOCAL, "jlab-mcp", "claude mcp remove --scope local jlab-mcp; jlab-mcp init"),
        (Scope.USER, "jlab-mcp", "claude mcp remove --scope user jlab-mcp; jlab-mcp init --user"),
    ],
)
def test_a_command_that_is_gone_is_removed_where_init_does_not_write(
    scope: Scope, name: str, fix: str
) -> None:
    place = Registered("/p/.mcp.json", "/gone/jlab-mcp", scope=scope, name=name)
    (gone,) = checks.check_registration([(place, False)])
    assert gone.level is Level.FAIL and gone.fix == fix


def test_a_registration_that_hides_others_is_one_finding_with_the_command_that_removes_it() -> None:
    local = Registered("/h/.claude.json (this project)", "/v/jlab-mcp", scope=Scope.LOCAL)
    user = Registered("/h/.claude.json", "/v/jlab-mcp", scope=Scope.USER)
    (twice,) = checks.check_registration([*BY_FILE, (local, True), (user, True)])
    assert twice.level is Level.WARN and twice.fix == "claude mcp remove --scope local jlab-mcp"
    assert "in /p/.mcp.json, /h/.claude.json, and in /h/.claude.json (this project)," in twice.text
    for places in (
        [*BY_FILE, (user, True)],
        [*BY_FILE, (replace(local, name="cluster"), True)],
        [(local, True), (replace(local, where="/h/.claude.json (another)"), True)],
    ):
        assert [one.level for one in checks.check_registration(places)] == [Level.OK, Level.OK]


@pytest.mark.parametrize(
    ("given", "in_job", "told"),
    [
        ({}, False, ""),
        ({"KEEP_H": "5"}, True, ""),
        ({"KEEP_H": "0"}, True, ""),
        ({"KEEP_H": "5"}, False, "JLAB_MCP_KEEP_H has no effect here: it is for kernels in a job."),
        ({"KEEP_H": "5", "ON_EXIT": "keep"}, True, "because JLAB_MCP_ON_EXIT is set"),
        ({"KEEP_H": "5", "ON_EXIT": "shutdown"}, True, "because JLAB_MCP_ON_EXIT is set"),
        ({"KEEP_H": "5", "EXIT_GRACE_S": "60"}, True, "because JLAB_MCP_EXIT_GRACE_S is set"),
    ],
)
def test_hours_that_keep_no_kernel_are_told(given: dict[str, str], in_job: bool, told: str) -> None:
    env = {f"JLAB_MCP_{name}": value for name, value in given.items()}
    settings = load_settings(env, Path("/p"), lambda path: False)
    found = checks_slurm.check_kept_kernels(settings, in_job=in_job)
    assert told in " ".join(one.text for one in found) and bool(found) == bool(told)
    assert all(one.fix for one in found)


def test_the_end_of_an_idle_job_is_offered_where_jobs_are_submitted() -> None:
    (offer,) = checks_slurm.check_idle_end(0.0, submits=True)
    assert (offer.level, offer.fix) == (Level.SKIP, "export JLAB_MCP_IDLE_END_H=2")
    assert "until its walltime, used or not" in offer.text
    (chosen,) = checks_slurm.check_idle_end(1.5, submits=True)
    assert (chosen.level, chosen.fix) == (Level.OK, "") and "after 1.5 idle hours" in chosen.text
    (vain,) = checks_slurm.check_idle_end(1.5, submits=False)
    assert (vain.level, vain.fix) == (
        Level.WARN,
        "unset JLAB_MCP_IDLE_END_H",
    ) and "no effect here" in vain.text
    assert checks_slurm.check_idle_end(0.0, submits=False) == []
