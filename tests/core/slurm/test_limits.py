"""A walltime beyond every partition's limit is refused before Slurm takes a job that never starts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jlab_tui.core.errors import UsageError
from jlab_tui.core.slurm.limits import has_own_limits, require_time
from jlab_tui.core.slurm.script import ResourceRequest
from jlab_tui.core.slurm.survey import parse_sinfo

PARTITIONS = parse_sinfo(
    "cpu*|up|1-00:00:00|1:00|1|idle|4|4000|(null)\ngpu|up|4:00:00|1:00|1|idle|4|4000|gpu:2\n"
    "long|up|infinite|1:00|1|idle|4|4000|gpu:2\nold|down|infinite|1:00|1|idle|4|4000|gpu:2\nodd|up|n/a|1:00|1|idle|4|4000|gpu:2\n"
)
REQUEST = ResourceRequest(
    time="9:00:00",
    partition="gpu",
    gres="",
    cpus=1,
    mem_mb=1,
    account="",
    qos="",
    constraint="",
    modules="",
    extra="",
)


@pytest.mark.parametrize(
    ("partition", "time", "said"),
    [
        ("gpu", "9:00:00", "Partition gpu allows 4:00:00 at most, not 9:00:00, so"),
        ("gpu", "0", "Partition gpu allows 4:00:00 at most, not 0, so"),
        ("", "2-00:00:00", "Partition cpu allows 1-00:00:00 at most"),
        ("gpu,cpu", "2-00:00:00", "Partition cpu and gpu allows 1-00:00:00 at most"),
        ("gpu", "4:00:00", ""),
        ("gpu,cpu", "9:00:00", ""),
        ("gpu,elsewhere", "9:00:00", ""),
        ("elsewhere", "9:00:00", ""),
        ("long", "9-00:00:00", ""),
        ("odd", "9-00:00:00", ""),
    ],
)
def test_a_walltime_is_refused_where_no_partition_of_the_request_allows_it(
    partition: str, time: str, said: str
) -> None:
    request = replace(REQUEST, partition=partition, time=time)
    if not said:
        require_time(PARTITIONS, request)
        return
    with pytest.raises(UsageError) as caught:
        require_time(PARTITIONS, request)
    assert caught.value.message.startswith(said) and caught.value.message.endswith("nothing was submitted.")


def test_the_refusal_says_what_to_type() -> None:
    with pytest.raises(UsageError) as caught:
        require_time(PARTITIONS, REQUEST)
    assert caught.value.hint == (
        "`jlab-mcp start 4:00:00` asks for all of that. These allow it: cpu, long, odd. "
        "If you may run longer there, set JLAB_MCP_SLURM_EXTRA=--time=9:00:00."
    )
    with pytest.raises(UsageError) as caught:
        require_time(PARTITIONS[1:2], REQUEST)
    assert "These allow it" not in caught.value.hint


@pytest.mark.parametrize("extra", ["--time=9:00:00", "-t 9:00:00", "--nice; --qos=long", "-p gpu"])
def test_slurm_decides_where_a_user_asks_for_other_limits(extra: str) -> None:
    assert has_own_limits(replace(REQUEST, extra=extra), {})
    assert has_own_limits(replace(REQUEST, qos="long"), {})
    assert has_own_limits(REQUEST, {"SBATCH_QOS": "long"})
    assert not has_own_limits(replace(REQUEST, extra="--nice=5;--timeless"), {"SBATCH_QOS": ""})
