"""Makes the pictures of the live page: the real page on a real Jupyter server with recorded data, in a headless Chromium.

python scripts/page_screenshots.py [DIRECTORY]        into screenshots/
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from jupyter_server.serverapp import ServerApp  # noqa: E402

from jlab_tui.core.journal.events import (  # noqa: E402
    DataShown,
    Entry,
    HumanActed,
    SessionClosed,
    SessionOpened,
    encode,
)
from jlab_tui.jupyter_extension.live_handlers import live_routes  # noqa: E402
from jlab_tui.jupyter_extension.live_job import LiveJob  # noqa: E402
from jlab_tui.jupyter_extension.live_service import LiveService  # noqa: E402
from jlab_tui.jupyter_extension.live_surroundings import KernelNow  # noqa: E402
from tests.browser import chromium  # noqa: E402
from tests.tui import stage  # noqa: E402

SHOTS = {"page": (1280, 860, True), "page-narrow": (390, 844, False)}
TABLE = """<table><thead><tr><th></th><th>loss</th><th>iou</th><th>images</th></tr></thead><tbody>
<tr><th>cars</th><td>0.0412</td><td>0.9127</td><td>1,204</td></tr><tr><th>trees</th><td>0.0977</td><td>0.8412</td><td>862</td></tr>
<tr><th>roads</th><td>0.0518</td><td>0.8931</td><td>1,530</td></tr></tbody></table>"""


def write_journals(folder: Path) -> None:
    """The sessions of the dashboard's pictures, as if they ran now."""
    folder.mkdir()
    later = time.time() - stage.NOW
    entries = [*stage.training(stage.loss_curve()), *stage.exploring(stage.heat_map()), *stage.failing()]
    begun = next(n for n, (_, entry) in enumerate(entries) if getattr(entry.event, "run", "") == "train1-14")
    shown = DataShown("train1-13", {"text/html": TABLE, "text/plain": "table"})
    entries.insert(begun, ("train1", replace(entries[begun - 1][1], event=shown)))
    for session, entry in entries:
        with (folder / f"{session}.1.jsonl").open("ab") as file:
            file.write(encode(replace(entry, at=entry.at + later)))
    (folder / "closed").mkdir()
    past = [
        SessionOpened("old1", "baseline", "/project/notebooks/baseline.ipynb", "k-old", "gpu-07", 1.0),
        SessionClosed("the agent shut it down"),
    ]
    lines = b"".join(encode(Entry(time.time() - 4000, event)) for event in past)
    (folder / "closed" / "old1.1.jsonl").write_bytes(lines)
    (folder.parent / "actions").mkdir()
    comment = HumanActed(
        "comment", "train1", reason="Stop when the loss is below 0.4, please.", by="ada@login1", id="d:1"
    )
    act = encode(Entry(entries[begun + 1][1].at + later + 1, comment))
    (folder.parent / "actions" / "login1-7.jsonl").write_bytes(act)


def around() -> Mapping[str, Any]:
    """What the sampler would say, and Slurm."""
    samples = []
    for one in stage.samples():
        gpu = one.gpus[0]
        samples.append(
            {
                "cpu": {"count": one.cpu_count, "percent": one.cpu_percent},
                "memory": {
                    "used_mb": one.memory_used_mb,
                    "total_mb": one.memory_total_mb,
                    "percent_used": 100 * (one.memory_used_mb or 0) / (one.memory_total_mb or 1),
                },
                "gpu": [
                    {
                        "name": gpu.name,
                        "utilization_percent": gpu.utilization_percent,
                        "memory_used_mb": gpu.memory_used_mb,
                        "memory_total_mb": gpu.memory_total_mb,
                    }
                ],
                "kernels": {
                    name: {"rss_mb": use.rss_mb, "gpu_memory_mb": use.gpu_memory_mb}
                    for name, use in one.kernels.items()
                },
            }
        )
    job = LiveJob("gpu-07", "4812345", "gpu", "running", time.time() + 13272, 754.0)
    kernels = {"train1": "k-train", "eda1": "k-eda", "etl1": "k-etl"}
    return {
        "job": job,
        "samples": samples,
        "kernels": {session: KernelNow(kernel) for session, kernel in kernels.items()},
    }


def take(app: Any, profile: Path, directory: Path) -> None:
    try:
        with chromium(profile) as browser:
            for name, (width, height, dark) in SHOTS.items():
                tab = browser.open(
                    f"{app.connection_url}jlab-mcp/live?session=train1", width, height, dark=dark
                )
                tab.until("[...document.images].every((image) => image.complete)")
                if width > 760:
                    tab.js("document.querySelectorAll('.head')[2].scrollIntoView()")
                else:
                    tab.js("window.scrollTo(0, 0)")
                tab.js("new Promise((done) => requestAnimationFrame(() => setTimeout(done, 300)))")
                tab.shot(directory / f"{name}.png")
                print(name)
    finally:
        app.io_loop.add_callback(app.stop, from_signal=True)


def main(directory: str = str(ROOT / "screenshots")) -> None:
    with tempfile.TemporaryDirectory(prefix="page-") as folder:
        write_journals(Path(folder) / "sessions")
        app = ServerApp(
            port=0, token="", open_browser=False, allow_root=True, root_dir=folder, log_level="ERROR"
        )
        app.initialize(argv=[], find_extensions=False)
        live = LiveService(str(Path(folder) / "sessions"), around)
        app.web_app.add_handlers(".*$", live_routes(app.base_url, live))
        threading.Thread(target=take, args=(app, Path(folder) / "profile", Path(directory))).start()
        app.start()


if __name__ == "__main__":
    main(*sys.argv[1:])
