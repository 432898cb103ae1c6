"""Records a real kernel's messages for typical cells, which the tests of the kernel conversation replay.

    python scripts/record_transcripts.py [NAME ...]

Writes tests/data/transcripts/<name>.json: for each cell its code and msg_id, then the messages in the order of arrival.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from jupyter_client.manager import AsyncKernelManager

FOLDER = Path(__file__).resolve().parent.parent / "tests" / "data" / "transcripts"
QUIET_S = 0.6
SHOW = "from IPython.display import display, clear_output, HTML, Markdown\n"

CELLS: dict[str, list[str]] = {
    "streams": [
        "import sys\nprint('out'); print('err', file=sys.stderr); print('out again')\n7",
        "for i in range(40): print('line', i, flush=True)",
        "import os; os.system('echo from a child'); None",
    ],
    "progress": [
        "import sys, time\nfor i in range(60):\n    print(f'\\r{i:3d}%|{\"#\" * (i // 6):10s}| {i}/60', end='', file=sys.stderr, flush=True)\nprint(file=sys.stderr)",
        "import sys\nfor i in range(5): print('\\x1b[2K\\x1b[1A\\x1b[2Kstep', i, flush=True)",
        "try:\n    from tqdm import tqdm\n    for _ in tqdm(range(30)): pass\nexcept ImportError: pass",
        "from rich.progress import track\nfrom rich.console import Console\nfor _ in track(range(5), console=Console(force_terminal=True, force_jupyter=False)): pass",
    ],
    "displays": [
        SHOW
        + "handle = display('first', display_id='shared'); display(HTML('<b>bold</b>')); Markdown('# title')",
        "handle.update('second')\nprint('between')\nhandle.update('third')",
        SHOW + "print('gone'); clear_output(); print('stays'); clear_output(wait=True); print('replaced')",
        SHOW + "for i in range(5):\n    clear_output(wait=True); display(i)\nclear_output(wait=True)",
    ],
    "errors": [
        "def f(x):\n    return 1 / x\nprint('before')\nf(0)",
        "syntax error here",
        "raise SystemExit(3)",
        "input('name? ')",
        "import getpass; getpass.getpass()",
        "raise KeyboardInterrupt",
    ],
    "groups": [
        "def g(n):\n    try: raise ValueError(n)\n    except ValueError as e: return e\nprint('before')\nraise ExceptionGroup('several', [g(1), ExceptionGroup('inner', [g(2), TypeError('t')])])",
        "try:\n    {}['k']\nexcept KeyError as e:\n    raise RuntimeError('outer') from e",
        "%%bash\necho out; echo err >&2; exit 7",
        "try: 1 / 0\nexcept ZeroDivisionError: get_ipython().showtraceback()\nprint('after')",
        "class E(Exception):\n    def __str__(self): raise ValueError('no str')\nraise E",
    ],
    "pages": ["len?", "x = 3; x?", "%magic_that_is_not_there", "%%time\n1 + 1", "%recall 3"],
    "widgets": [  # needs ipywidgets and tqdm
        "from tqdm.notebook import tqdm\nfor _ in tqdm(range(4), desc='bar'): pass\nprint('done')",
        "import ipywidgets as w\nout = w.Output(); display(out)\nwith out: print('inside')\nw.IntSlider(value=7, description='n')",
        "from rich.live import Live\nwith Live('one', auto_refresh=False) as live:\n    live.update('two', refresh=True)",
    ],
    "bars": [  # where ipywidgets, tqdm, datasets and fastprogress are installed, too
        "from tqdm.auto import trange\nfor i in trange(2, desc='outer'):\n    for j in trange(2, desc='inner', leave=False): pass\nprint('after')",
        "from tqdm.auto import tqdm\nfor _ in tqdm(iter(range(3)), desc='open'): pass",
        "from datasets import Dataset\nd = Dataset.from_dict({'x': [1, 2]}).map(lambda row: row, desc='add', load_from_cache_file=False)",
        "from fastprogress import progress_bar\nfor i in progress_bar(range(2)): pass",
        "import ipywidgets as w\nfrom IPython.display import clear_output\nout = w.Output(); display(out); print('own')\nfor i in range(2):\n    with out: clear_output(wait=True); print('epoch', i); display(out)\nbar = w.IntProgress(max=4, description='steps'); w.VBox([w.Label('title'), bar])",
        "with out: 1 / 0\nbar.value = 3\nprint('goes on')",
    ],
    "late": [
        "import threading, time\ndef later():\n    for i in range(4):\n        time.sleep(0.1); print('late', i, flush=True)\nthread = threading.Thread(target=later); thread.start()",
        "print('meanwhile'); thread.join()",
    ],
}


async def record(cells: list[str]) -> dict[str, Any]:
    manager = AsyncKernelManager(kernel_name="python3")
    await manager.start_kernel()
    client = manager.client()
    client.start_channels(hb=False, stdin=False)
    messages: list[dict[str, Any]] = []
    asked: list[dict[str, str]] = []
    try:
        await client.wait_for_ready(timeout=60)
        for number, code in enumerate(cells):
            if number and "late" not in code:
                await _collect(client, messages, asked)
            msg_id = client.execute(code, allow_stdin=False, stop_on_error=False)
            asked.append({"msg_id": msg_id, "code": code})
        await _collect(client, messages, asked)
    finally:
        client.stop_channels()
        await manager.shutdown_kernel(now=True)
    return {"asked": asked, "messages": messages}


async def _collect(client: Any, messages: list[dict[str, Any]], asked: list[dict[str, str]]) -> None:
    """Collect messages of both channels until no more arrive."""
    while True:
        pending = {
            asyncio.ensure_future(client.get_iopub_msg(timeout=QUIET_S)): "iopub",
            asyncio.ensure_future(client.get_shell_msg(timeout=QUIET_S)): "shell",
        }
        await asyncio.wait(pending)
        arrived = [(channel, task.result()) for task, channel in pending.items() if task.exception() is None]
        for channel, message in arrived:
            messages.append(
                {
                    "channel": channel,
                    "msg_type": message["msg_type"],
                    "msg_id": message["msg_id"],
                    "parent_id": message["parent_header"].get("msg_id", ""),
                    "content": message["content"],
                }
            )
        idle = {
            message["parent_id"]
            for message in messages
            if message["content"].get("execution_state") == "idle"
        }
        if not arrived and all(cell["msg_id"] in idle for cell in asked):
            return


async def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in sys.argv[1:] or CELLS:
        found = await record(CELLS[name])
        text = json.dumps(found, indent=1, ensure_ascii=True, default=str).replace(sys.prefix, "/environment")
        (FOLDER / f"{name}.json").write_text(text + "\n", encoding="utf-8")
        print(f"{name}: {len(found['asked'])} cells, {len(found['messages'])} messages")


if __name__ == "__main__":
    asyncio.run(main())
