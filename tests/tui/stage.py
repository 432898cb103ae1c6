"""A stage for the dashboard: recorded sessions, samples and server states, and a source that holds still."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import math
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from PIL import Image, ImageDraw

from jlab_tui.adapters.new_files import NewFiles
from jlab_tui.core.feed.feed import Feed
from jlab_tui.core.feed.items import FeedCell
from jlab_tui.core.journal.events import (
    DataShown,
    DataUpdated,
    Entry,
    ErrorRaised,
    Event,
    ExecutionStarted,
    NotebookEdited,
    OutputCleared,
    OutputDropped,
    ReplyCut,
    RunFinished,
    RunStarted,
    RunStatus,
    SessionOpened,
    TextPrinted,
)
from jlab_tui.core.journal.figure_texts import FigureTexts, figure_texts
from jlab_tui.core.server.record import KernelInfo, Mode, ServerRecord, ServerState
from jlab_tui.core.server.resources import GpuSample, KernelUse, Sample
from jlab_tui.core.server.status import QueueFacts, ServerStatus
from jlab_tui.services.dashboard.actions import Target
from jlab_tui.services.dashboard.exports import Exports
from jlab_tui.services.dashboard.monitor import Listener, note_idle_gpus
from jlab_tui.services.dashboard.overview import NO_PAST, SessionRow, session_rows
from jlab_tui.tui.options import DashboardOptions

IMAGES = Path(__file__).parent / "images"
NOW = 1_780_280_195.0
"""2026-06-01 02:16:35 UTC"""


@dataclass
class FakeActions:
    """Remembers what was asked for."""

    done: list[str] = field(default_factory=list)
    failure: Exception | None = None
    away_s: float = 0.0
    """longest time for which it was said that the dashboard is busy elsewhere"""

    async def _act(self, what: str) -> str:
        self.done.append(what)
        if self.failure is not None:
            raise self.failure
        return f"{what}: done"

    async def interrupt(self, target: Target, reason: str = "") -> str:
        return await self._act(f"interrupt {target.name}" + (f" because {reason}" if reason else ""))

    async def restart(self, target: Target) -> str:
        return await self._act(f"restart {target.name}")

    async def shutdown(self, target: Target) -> str:
        return await self._act(f"shutdown {target.name}")

    async def stop_server(self) -> str:
        return await self._act("stop server")

    async def cancel_job(self) -> str:
        return await self._act("cancel job")

    holds_all = False

    async def hold(self, target: Target) -> str:
        return await self._act(f"hold {target.name}")

    async def hold_all(self, targets: Sequence[Target]) -> str:
        self.holds_all = not self.holds_all
        return await self._act(f"hold all of {len(targets)}" if self.holds_all else "hold no more")

    async def decide(self, target: Target, action: str, reason: str = "") -> str:
        return await self._act(f"{action} {target.run}" + (f" with {reason}" if reason else ""))

    async def run_own(self, target: Target, code: str) -> str:
        return await self._act(f"run {code!r} in {target.name}")

    def has_asked(self, hold: str) -> bool:
        return hold.startswith("h-1:")

    def was_decided(self, hold: str) -> None:
        self.done.append(f"{hold} is decided")

    def stay(self, for_s: float = 0.0) -> None:
        self.away_s = max(self.away_s, for_s)

    async def comment(self, target: Target, text: str) -> str:
        return await self._act(f"comment {target.name}: {text}")


NOTHING = None
"""no server was started"""
BARE = ServerStatus(ServerRecord(ServerState.READY, Mode.LOCAL), "", "")


class StillSource:
    """Everything at once, then nothing more unless a test plays it."""

    def __init__(
        self,
        entries: Sequence[tuple[str, Entry]] = (),
        server: ServerStatus | None = BARE,
        samples: Sequence[Sample] = (),
        kernels: Sequence[KernelInfo] | None = (),
    ) -> None:
        self.feed = Feed()
        self.server = server
        self.samples: deque[Sample] = deque(samples)
        self.has_looked = False
        self.is_loaded = False
        self.kernels = kernels
        self.listener: Listener | None = None
        self.wanted: list[str] = []
        self._entries = entries
        self._idle_since: dict[int, float] = {}
        note_idle_gpus(self._idle_since, samples)

    @property
    def rows(self) -> tuple[SessionRow, ...]:
        sample = self.samples[-1] if self.samples else None
        return session_rows(self.feed, self.kernels, sample, self.server.state if self.server else None)

    def gpu_idle_since(self, index: int) -> float | None:
        return self._idle_since.get(index)

    past = NO_PAST
    unopened_since = 0.0

    def want(self, session: str) -> None:
        self.wanted.append(session)

    def older(self, session: str) -> None:
        self.wanted.append(f"before {session}")

    def toggle_history(self) -> None:
        pass

    def more_history(self) -> None:
        pass

    async def whole(self, cell: FeedCell) -> bool:
        return False

    async def run(self, listener: Listener) -> None:
        self.listener = listener
        self.has_looked = True
        listener.server_changed()
        self.is_loaded = True
        self.play(self._entries)
        listener.resources_changed()
        await asyncio.Event().wait()

    def play(self, entries: Sequence[tuple[str, Entry]]) -> None:
        assert self.listener is not None
        self.listener.items_changed([self.feed.apply(session, entry) for session, entry in entries])

    def become(self, server: ServerStatus | None) -> None:
        assert self.listener is not None
        self.server = server
        self.listener.server_changed()


def exports(directory: Path = Path()) -> Exports:
    return Exports(NewFiles(directory))


def options(**changes: object) -> DashboardOptions:
    values: dict[str, object] = {"clock": lambda: NOW, "local": time.gmtime, "is_live": False}
    return DashboardOptions(**{**values, **changes})  # type: ignore[arg-type]


def record(state: ServerState, **changes: object) -> ServerRecord:
    values: dict[str, object] = {
        "hostname": "gpu-07",
        "job_id": "4812345",
        "port": 18432,
        "token": "0123456789abcdef" * 3,
        "started": NOW + 13272 - 8 * 3600,
        "ends": NOW + 13272,
    }
    return ServerRecord(state, Mode.SLURM, **{**values, **changes})  # type: ignore[arg-type]


READY = ServerStatus(record(ServerState.READY), "", "", reachable=True)
PENDING = ServerStatus(
    record(ServerState.PENDING, hostname="", port=0, ends=0.0, started=NOW - 133),
    "pending (Priority)",
    "",
    queue=QueueFacts(
        reason="Priority: 14 jobs stand before this one",
        position=15,
        estimated_start=NOW + 532,
        queued_since=NOW - 133,
        partition="gpu",
        load=(
            "gpu     31 of 32 nodes busy, 1 draining",
            "gpu-dev  2 of  4 nodes busy",
            "118 jobs wait in gpu",
        ),
    ),
    log_tail=("sbatch: Submitted batch job 4812345", "sbatch: partition gpu, 1 GPU, 4 h"),
)
STARTING = ServerStatus(
    record(ServerState.STARTING, port=0),
    "",
    "",
    log_tail=("Loading modules ...", "Starting jupyter lab"),
)
ENDED = ServerStatus(
    record(ServerState.ENDED),
    "",
    "Job 4812345 reached its walltime of 4:00:00 and was ended by SLURM.",
    "Notebooks and records are kept.",
)
FAILED = ServerStatus(
    record(ServerState.ERROR),
    "",
    "JupyterLab ended 3 s after its start: No module named 'jupyterlab'.",
    "Install jupyterlab in the environment that JLAB_MCP_SETUP activates.",
    details=("Its log: /home/ben/.jlab-mcp/logs/jupyter-4812345.log",),
    log_tail=("Traceback (most recent call last):", "ModuleNotFoundError: No module named 'jupyterlab'"),
)


def samples(count: int = 600, gpus: int = 1) -> list[Sample]:
    """Ten minutes that look like work."""
    found = []
    for i in range(count):
        at = NOW - count + 1 + i
        wave = 45 + 38 * math.sin(i / 19) * math.exp(-(((i % 190) - 90) ** 2) / 9000) + 7 * math.sin(i * 1.7)
        idle = 470 < i < 510 or 240 < i < 262
        use = 18 + 3 * math.sin(i) if idle else 88 + 6 * math.sin(i * 2.3)
        found.append(
            Sample(
                at=at,
                cpu_count=16,
                cpu_percent=max(2.0, min(100.0, wave)),
                load_1m=11.2,
                memory_used_mb=1024 * (66 + 23 * i / count),
                memory_total_mb=1024 * 128,
                gpus=tuple(
                    GpuSample(n, "NVIDIA H200", 1024 * 104.0, 1024 * 141.0, use - 10 * n, 64.0, 512.0)
                    for n in range(gpus)
                ),
                kernels={
                    "k-train": KernelUse(101, 21 * 1024.0, 98.0, 88 * 1024.0 if gpus else None),
                    "k-eda": KernelUse(102, 3.1 * 1024, 0.0, None),
                    "k-etl": KernelUse(103, 0.9 * 1024, 0.0, None),
                },
            )
        )
    return found


def loss_curve() -> str:
    """Base64 PNG that matplotlib drew: two curves."""
    return base64.b64encode((IMAGES / "loss.png").read_bytes()).decode()


def heat_map() -> str:
    """Base64 PNG that matplotlib drew: a heat map and points."""
    return base64.b64encode((IMAGES / "errors.png").read_bytes()).decode()


def texts_of(name: str) -> FigureTexts:
    """What is to be read in one of these figures."""
    return figure_texts(json.loads((IMAGES / "texts.json").read_text(encoding="utf-8"))[name])


def flat_image(width: int = 120, height: int = 80) -> str:
    """Four flat quarters: drawn alike by every version of Pillow."""
    image = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(image)
    draw.rectangle([0, 0, width // 2 - 1, height // 2 - 1], fill="#204080")
    draw.rectangle([width // 2, height // 2, width, height], fill="#c04020")
    return _png(image)


def _png(image: Image.Image) -> str:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


class Writer:
    """Builds a session's entries, one call an event."""

    def __init__(self, session: str, name: str, kernel: str, at: float) -> None:
        self.session = session
        self.at = at
        self.entries: list[tuple[str, Entry]] = []
        self._runs = 0
        self.add(
            SessionOpened(
                session,
                name,
                f"/home/ben/project/notebooks/{name.replace('-', '_')}.ipynb",
                kernel,
                "gpu-07",
                NOW - 1000,
                python="/home/ben/project/.venv/bin/python",
                cwd="/home/ben/project/notebooks",
                client="c1",
                client_host="login1",
                client_pid=4211,
            )
        )

    def add(self, event: Event) -> None:
        self.entries.append((self.session, Entry(self.at, event)))

    def run(
        self,
        source: str,
        *events: Event,
        seconds: float = 0.3,
        status: RunStatus | None = RunStatus.OK,
        count: int | None = None,
        cause: str = "",
    ) -> str:
        self._runs += 1
        run = f"{self.session}-{self._runs}"
        self.add(RunStarted(run, "execute_code", f"cell{self._runs}", source))
        for event in events:
            self.add(_for_run(event, run))
        if status is not None:
            self.at += seconds
            self.add(RunFinished(run, status, seconds, count if count is not None else self._runs, cause))
        self.at += 5
        return run


def _for_run(event: Event, run: str) -> Event:
    if isinstance(event, TextPrinted | DataShown | ErrorRaised | OutputDropped | DataUpdated | OutputCleared):
        return replace(event, run=run)
    return event


def text(value: str, stream: str = "stdout") -> TextPrinted:
    return TextPrinted("", stream, value)


def image(data: str) -> DataShown:
    texts = {loss_curve(): "loss", heat_map(): "errors"}.get(data, "")
    shown = DataShown("", {"image/png": data, "text/plain": "<Figure size 640x480 with 1 Axes>"})
    return replace(shown, texts=texts_of(texts)) if texts else shown


TRACEBACK = (
    "\x1b[31m---------------------------------------------------------------------------\x1b[39m",
    "\x1b[31mFileNotFoundError\x1b[39m                         Traceback (most recent call last)",
    "\x1b[36mCell\x1b[39m\x1b[36m \x1b[39m\x1b[32mIn[3]\x1b[39m\x1b[32m, line 2\x1b[39m\n"
    "\x1b[32m      1\x1b[39m \x1b[38;5;28;01mimport\x1b[39;00m pandas as pd\n"
    "\x1b[32m----> 2\x1b[39m df = pd.read_parquet('/scratch/ben/events_2026.parquet')\n"
    "\x1b[32m      3\x1b[39m df.groupby('user').agg({'n': 'sum'})",
    "\x1b[36mFile pandas/io/parquet.py:667, in read_parquet(path, engine, columns)\x1b[39m",
    "\x1b[31mFileNotFoundError\x1b[39m: [Errno 2] No such file or directory: '/scratch/ben/events_2026.parquet'",
)


def training(curve: str) -> list[tuple[str, Entry]]:
    """The session of the images: a model, a plot, a loop that runs."""
    w = Writer("train1", "train-unet", "k-train", NOW - 200)
    w._runs = 10
    w.run(
        "import torch, torch.nn as nn\nfrom unet import UNet  # local module\n\n"
        "model = UNet(in_ch=3, out_ch=1, width=64).cuda()\n"
        "print(f'{sum(p.numel() for p in model.parameters()):,} parameters')",
        text("31,042,369 parameters\n"),
        seconds=1.8,
    )
    w.run(
        "@torch.no_grad()\ndef evaluate(model, loader):\n    model.eval()\n"
        "    return sum(loss(model(x.cuda()), y.cuda()).item() for x, y in loader) / len(loader)",
        seconds=0.012,
    )
    w.run(
        "plt.plot(history['train'], label='train')\nplt.plot(history['val'], label='val', lw=2.5)\n"
        "plt.legend(); plt.title('Loss')",
        image(curve),
        seconds=0.31,
    )
    w.at = NOW - 133
    run = w.run(
        "for epoch in range(100):\n    train_one_epoch(model, train_loader, opt)\n"
        "    history['val'].append(evaluate(model, val_loader))",
        status=None,
    )
    for n in range(640):
        line = f"epoch {1 + n // 50:3d}/20 step {1 + n % 50:3d}/50  loss={2.1 * math.exp(-n / 400) + 0.02:.4f}  lr=3e-4\n"
        w.at = NOW - 133 + n / 5
        w.add(TextPrinted(run, "stdout", line))
    w.add(ExecutionStarted(f"train1-{w._runs}", w._runs))
    w.add(ReplyCut(f"train1-{w._runs}", 14_880))
    return w.entries


def exploring(encoded: str) -> list[tuple[str, Entry]]:
    w = Writer("eda1", "eda", "k-eda", NOW - 260)
    table = (
        "            loss       iou\ncount  1200.0000  1200.0000\nmean      0.4213     0.8712\n"
        "std       0.1120     0.0431\nmin       0.1200     0.6100\nmax       0.9100     0.9600"
    )
    w.add(
        NotebookEdited(
            "markdown", "md1", "## Where the errors are\n- by *class*\n- by `size`", cell_type="markdown"
        )
    )
    w.run("df.describe()", DataShown("", {"text/plain": table}, execution_count=1), seconds=0.05)
    w.run(
        "fig, ax = plt.subplots(1, 2, figsize=(9, 4))\n"
        "ax[0].imshow(z, cmap='viridis'); ax[1].scatter(a, b, c=c, cmap='plasma')",
        image(encoded),
        seconds=0.9,
    )
    return w.entries


def failing() -> list[tuple[str, Entry]]:
    w = Writer("etl1", "etl-2026", "k-etl", NOW - 250)
    w.run(
        "import pandas as pd\ndf = pd.read_parquet('/scratch/ben/events_2026.parquet')\n"
        "df.groupby('user').agg({'n': 'sum'})",
        ErrorRaised("", "FileNotFoundError", "[Errno 2] No such file or directory", TRACEBACK),
        seconds=0.05,
        status=RunStatus.ERROR,
        count=3,
    )
    return w.entries


def probing() -> list[tuple[str, Entry]]:
    return Writer("probe1", "probe", "k-probe", NOW - 90).entries


KERNELS = (
    KernelInfo("k-train", "python3", "busy", 1),
    KernelInfo("k-eda", "python3", "idle", 1),
    KernelInfo("k-etl", "python3", "idle", 1),
    KernelInfo("k-probe", "python3", "starting", 0),
)


def working(curve: str | None = None, heat: str | None = None, gpus: int = 1) -> StillSource:
    """Four sessions on a GPU node, as in the README's images."""
    entries = [
        *probing(),
        *failing(),
        *exploring(heat or flat_image(990, 440)),
        *training(curve or flat_image(640, 480)),
    ]
    entries.sort(key=lambda pair: pair[1].at)
    return StillSource(entries, READY, samples(gpus=gpus), KERNELS)
