"""The job script: what a user may ask for, and the strict rendering of the template."""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jlab_tui.core.errors import UsageError
from jlab_tui.core.setup_script import setup_script
from jlab_tui.core.slurm.job_end import SCRIPT_EXITS
from jlab_tui.core.slurm.script import (
    ResourceRequest,
    ScriptInputs,
    check_count,
    check_limited_time,
    check_request,
    job_around,
    named_cluster,
    render_script,
    restarted_name,
    script_options,
    script_values,
    split_extra,
    split_modules,
    submission_environment,
)

TEMPLATE = (Path(__file__).parents[3] / "templates" / "jupyter_slurm.sh.template").read_text(encoding="utf-8")
PLAIN = ResourceRequest(time="4:00:00")
INPUTS = ScriptInputs(
    submission="ab12",
    log="/s/logs/%j.log",
    workdir="/s/project",
    launcher="/s/node/1/launch.py",
    config="/s/connections/ab12.config",
    pythons=("/s/project/.venv/bin/python",),
)


def rendered(request: ResourceRequest = PLAIN, given: ScriptInputs = INPUTS, template: str = TEMPLATE) -> str:
    return render_script(template, script_values(request, given))


def test_options_that_are_not_set_leave_no_line() -> None:
    options = [line for line in rendered().splitlines() if line.startswith("#SBATCH")]
    assert options == [
        "#SBATCH --time=4:00:00",
        "#SBATCH --ntasks=1",
        "#SBATCH --cpus-per-task=1",
        "#SBATCH --no-requeue",
        "#SBATCH --job-name=jlab-mcp",
        "#SBATCH --comment=jlab-mcp/ab12",
        '#SBATCH --chdir="/s/project"',
        '#SBATCH --output="/s/logs/%j.log"',
        "#SBATCH --open-mode=append",
    ]
    assert "module load" in rendered() and "wanted_modules=(c" not in rendered()


def test_options_that_are_set_have_a_line_each() -> None:
    request = ResourceRequest(
        time="1-00:00:00",
        partition="gpu,scavenge",
        gres="gpu:a100:2",
        cpus=4,
        mem_mb=32000,
        account="physics",
        qos="long",
        constraint="a100&ib",
        modules="cuda/12.1 gcc",
        extra="--nodelist=gpu07;--requeue",
    )
    text = rendered(request)
    for line in (
        "--partition=gpu,scavenge",
        "--gres=gpu:a100:2",
        "--cpus-per-task=4",
        "--mem=32000M",
        "--account=physics",
        "--qos=long",
        '--constraint="a100&ib"',
        "--nodelist=gpu07",
        "--requeue",
    ):
        assert f"\n#SBATCH {line}\n" in text
    assert "--no-requeue" not in text
    assert "\n#SBATCH --no-requeue\n" in rendered(replace(PLAIN, extra="--nodelist=gpu07"))
    assert "\nwanted_modules=(cuda/12.1 gcc)\n" in text


def test_no_placeholder_is_left_and_bash_accepts_the_script() -> None:
    text = rendered(
        replace(PLAIN, modules="cuda"), replace(INPUTS, setup="source /opt/conda.sh\nconda activate x")
    )
    assert "{{" not in text.replace("double braces", "")
    assert "\n  'source /opt/conda.sh' \\\n  'conda activate x'\n" in text
    assert "JLAB_MCP_SETUP failed" not in rendered(PLAIN, replace(INPUTS, setup=" \n"))
    subprocess.run(["bash", "-n"], input=text, text=True, check=True)


def test_every_exit_code_of_the_script_has_an_explanation() -> None:
    codes = {int(code) for code in re.findall(r"\bfail (\d+)", TEMPLATE)}
    codes |= {int(code) for code in re.findall(r"exit (\d+)", setup_script("true"))}
    launcher = (Path(__file__).parents[3] / "jlab_tui" / "jupyter_extension" / "launch.py").read_text(
        encoding="utf-8"
    )
    codes |= {int(code) for code in re.findall(r"^EXIT_\w+ = (\d+)", launcher, re.MULTILINE)}
    assert codes == set(SCRIPT_EXITS)


@settings(max_examples=40)
@given(st.text(st.characters(exclude_characters="\\", categories=["L", "N", "P", "S", "Zs"]), min_size=1))
def test_any_path_is_one_word_to_the_shell(text: str) -> None:
    path = "/" + text
    if not path.isprintable():
        return
    line = next(
        line
        for line in rendered(given=replace(INPUTS, config=path)).splitlines()
        if line.startswith("config=/") or line.startswith("config='")
    )
    shown = subprocess.run(
        ["bash", "-c", f'{line}; printf %s "$config"'], capture_output=True, check=True
    ).stdout
    assert shown.decode() == path


@pytest.mark.parametrize(
    "request_",
    [
        replace(PLAIN, time="1:00\n#SBATCH --uid=0"),
        replace(PLAIN, time="bogus"),
        replace(PLAIN, partition="gpu\nrm -rf /"),
        replace(PLAIN, partition="gpu --wrap=x"),
        replace(PLAIN, partition="$(id)"),
        replace(PLAIN, gres="gpu:1;id"),
        replace(PLAIN, gres="`id`"),
        replace(PLAIN, account="-p"),
        replace(PLAIN, qos="a b"),
        replace(PLAIN, constraint='a"b'),
        replace(PLAIN, cpus=0),
        replace(PLAIN, mem_mb=-1),
        replace(PLAIN, modules="cuda;id"),
        replace(PLAIN, modules="$(id)"),
        replace(PLAIN, extra="rm -rf /"),
        replace(PLAIN, extra="--nodelist=a\r--x"),
        replace(PLAIN, extra="--job-name=x"),
        replace(PLAIN, extra="-J x"),
    ],
    ids=repr,
)
def test_values_that_could_smuggle_something_in_are_refused(request_: ResourceRequest) -> None:
    with pytest.raises(UsageError) as caught:
        check_request(request_)
    assert "cannot be used as" in caught.value.message and caught.value.hint
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    ("size", "shown"), [(60, f"'{'x' * 59}!' "), (61, f"'{'x' * 57}...' "), (5000, f"'{'x' * 57}...' ")]
)
def test_a_refused_value_is_shown_up_to_a_length(size: int, shown: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_request(replace(PLAIN, partition="x" * (size - 1) + "!"))
    assert caught.value.message.startswith(shown)


def test_a_count_has_at_most_nine_digits() -> None:
    assert check_count("cpus", 999_999_999) == 999_999_999
    for value in (10**9, 2 * 10**9, 0):
        with pytest.raises(UsageError):
            check_count("cpus", value)


@pytest.mark.parametrize("name", ["log", "workdir", "launcher", "config"])
def test_a_path_with_a_new_line_is_refused(name: str) -> None:
    with pytest.raises(UsageError):
        rendered(given=replace(INPUTS, **{name: "/a\n#SBATCH --uid=0"}))


def test_extra_options_and_modules_are_split() -> None:
    assert split_extra(" --nodelist=gpu07 ; -x gpu1\n--reservation=a ;") == [
        "--nodelist=gpu07",
        "-x gpu1",
        "--reservation=a",
    ]
    assert split_modules("cuda/12.1, gcc  python/3.11") == ["cuda/12.1", "gcc", "python/3.11"]


NEEDED = "#!/bin/bash\n{{job_name}} {{comment}} {{log}} {{launcher}} {{config}}\n"


@pytest.mark.parametrize(
    ("template", "words"),
    [
        (NEEDED + "{{typo}}\n", "unknown placeholder {{typo}}"),
        (NEEDED.replace("{{config}}", ""), "lacks {{config}}"),
        (NEEDED.replace("\n", "\r\n"), "DOS line ends"),
        ("#SBATCH -n1\n" + NEEDED, "first line"),
    ],
)
def test_a_template_that_cannot_work_is_refused(template: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        rendered(template=template)
    assert words in caught.value.message and caught.value.hint


def test_a_template_of_the_users_own_is_filled_in() -> None:
    text = rendered(template=NEEDED + "# {{ anything }}\n#SBATCH -p {{partition}}\necho {{ time }}\n")
    assert text.endswith("# {{ anything }}\necho 4:00:00\n")


def test_percent_signs_of_a_log_path_are_not_taken_for_slurms() -> None:
    assert '--output="/s/100%%u/%j.log"' in rendered(given=replace(INPUTS, log="/s/100%u/%j.log"))


def test_the_environment_of_a_submission_has_no_token_and_overrides_no_line_of_the_script() -> None:
    """sbatch lets its variables win over `#SBATCH` lines."""
    env = {"PATH": "/bin", "JUPYTER_TOKEN": "x", "SBATCH_JOB_NAME": "y", "SBATCH_PARTITION": "gpu"}
    kept = {"PATH": "/bin", "SBATCH_PARTITION": "gpu"}
    assert submission_environment(env, rendered()) == kept, "no line says which partition"
    ruled = (
        "PARTITION",
        "TIMELIMIT",
        "GRES",
        "MEM_PER_NODE",
        "MEM_PER_CPU",
        "OUTPUT",
        "CLUSTERS",
        "RESERVATION",
    )
    env |= {f"SBATCH_{name}": "z" for name in ruled}
    script = rendered(
        replace(PLAIN, partition="gpu", gres="gpu:1", mem_mb=100, extra="--reservation=r; -M big")
    )
    assert submission_environment({**env, "SBATCH_WCKEY": "w"}, script) == {
        "PATH": "/bin",
        "SBATCH_WCKEY": "w",
    }


@pytest.mark.parametrize("outer", ["SLURM_JOB_ID", "SLURM_JOBID"])
def test_a_job_that_is_submitted_from_within_another_one_is_told_nothing_of_that_one(outer: str) -> None:
    kept = {"PATH": "/bin", "SLURM_CONF": "/s", "SLURM_CLUSTERS": "big", "SLURM_MPI_TYPE": "pmix"}
    of_job = {
        "SLURM_MEM_PER_CPU": "9",
        "SLURM_STEP_ID": "0",
        "SLURMD_NODENAME": "n",
        "CUDA_VISIBLE_DEVICES": "1",
    }
    assert submission_environment({**kept, **of_job, outer: "7"}, rendered()) == kept
    assert submission_environment({**kept, **of_job}, rendered()) == {**kept, **of_job}, "the user's own"
    assert job_around({outer: "7"}) == "7" and job_around(of_job) == ""


@pytest.mark.parametrize(
    ("extra", "env", "cluster"),
    [
        ("", {}, ""),
        ("--clusters=a,b", {}, "a,b"),
        ("-M big", {"SBATCH_CLUSTERS": "small"}, "big"),
        ("", {"SBATCH_CLUSTERS": "small", "SLURM_CLUSTERS": "big"}, "small"),
        ("", {"SLURM_CLUSTERS": "big"}, "big"),
    ],
)
def test_the_cluster_of_a_submission_is_known(extra: str, env: dict[str, str], cluster: str) -> None:
    assert named_cluster(rendered(replace(PLAIN, extra=extra)), env) == cluster


@pytest.mark.parametrize(
    "extra", ["--output=/x", "-o/x", "-o x", "--chdir=/", "-D /", "--open-mode=truncate", "-e log"]
)
def test_what_the_log_is_found_by_cannot_be_set(extra: str) -> None:
    with pytest.raises(UsageError, match="jlab-mcp sets this one itself"):
        rendered(replace(PLAIN, extra=extra))


@pytest.mark.parametrize(
    ("extra", "env", "comment"),
    [
        ("", "", "jlab-mcp/ab12"),
        ("--comment=project:alpha", "", '"project:alpha jlab-mcp/ab12"'),
        ('--comment "two words"', "other", '"two words jlab-mcp/ab12"'),
        ('--comment=say "x"', "", '"say \\"x jlab-mcp/ab12"'),
        ("", "project:beta", '"project:beta jlab-mcp/ab12"'),
        ("--comment=", "", "jlab-mcp/ab12"),
    ],
)
def test_ours_is_appended_to_the_users_comment(extra: str, env: str, comment: str) -> None:
    text = rendered(replace(PLAIN, extra=extra), replace(INPUTS, comment=env))
    assert f"#SBATCH --comment={comment}\n" in text and text.count("--comment") == 1


@pytest.mark.parametrize(
    ("mem_mb", "extra", "asks"),
    [
        (100, "", True),
        (0, "", False),
        (100, "--mem-per-cpu=1G", False),
        (100, "--mem-per-gpu=1G", False),
        (100, "--mem=2G", False),
        (100, "--mem-bind=local", True),
    ],
)
def test_memory_is_asked_for_once_or_not_at_all(mem_mb: int, extra: str, asks: bool) -> None:
    text = rendered(replace(PLAIN, mem_mb=mem_mb, extra=extra))
    assert ("#SBATCH --mem=100M\n" in text) is asks


def test_what_no_script_can_hold_is_refused() -> None:
    with pytest.raises(ValueError, match="submission id 'a b'"):
        rendered(given=replace(INPUTS, submission="a b"))
    with pytest.raises(UsageError, match="NUL character"):
        rendered(given=replace(INPUTS, setup="a\0b"))
    assert named_cluster("#SBATCH free text\n#SBATCH -M=big\n", {}) == "big"


def test_options_are_known_by_their_long_names_and_others_as_written() -> None:
    script = '#SBATCH -p gpu\n#SBATCH --gres gpu:1\n#SBATCH -N 2\n#SBATCH --exclusive\n#SBATCH -C="a b"\n'
    assert script_options(script) == {
        "partition": "gpu",
        "gres": "gpu:1",
        "N": "2",
        "exclusive": "",
        "constraint": "a b",
    }


def test_only_the_copy_of_the_extension_that_was_submitted_runs() -> None:
    assert "\ncheck_copy 5f0c ||" in rendered(given=replace(INPUTS, digest="5f0c"))
    assert "\ncheck_copy " not in rendered()


@pytest.mark.parametrize(
    ("path", "restarts", "name"),
    [
        ("/a/x.json", 0, "/a/x.json"),
        ("/a/x.json", 2, "/a/x.r2.json"),
        ("/a.b/x", 1, "/a.b/x.r1"),
    ],
)
def test_a_restarted_job_has_a_connection_file_of_its_own(path: str, restarts: int, name: str) -> None:
    assert restarted_name(path, restarts) == name


@pytest.mark.parametrize("time", ["1", "0:30", "1-00:00:00"])
def test_a_model_may_ask_for_a_time_that_ends(time: str) -> None:
    assert check_limited_time(time) == time


@pytest.mark.parametrize(
    ("time", "why"), [("0", "only the person may set that"), ("0-00:00:00", "no limit"), ("soon", "4:00:00")]
)
def test_a_model_may_not_ask_for_a_time_without_end(time: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        check_limited_time(time)
