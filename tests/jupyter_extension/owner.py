"""An owner as a process of its own, to be killed or frozen: `python -m tests.jupyter_extension.owner URL KERNEL`.

Prints "running" once its cell prints; when its connection is closed, the close code; then it comes back with the
claim that it had, and prints the code with which that ends.
"""

from __future__ import annotations

import asyncio
import os
import sys
from types import SimpleNamespace
from typing import Any

import httpx

from tests.jupyter_extension.servers import TOKEN, Channel


async def main(url: str, kernel: str) -> None:
    owner = {"client": "owner", "host": "h", "pid": os.getpid(), "conversation": None, "name": "owner"}
    with httpx.Client(
        base_url=url, headers={"Authorization": f"token {TOKEN}"}, timeout=30, trust_env=False
    ) as http:
        claim = {"session": "s", "kernel": kernel, "owner": owner}
        epoch = http.post("jlab-mcp/claims", json=claim).json()["epoch"]
    server: Any = SimpleNamespace(facts={"url": url})
    channel = Channel(server, kernel, "owner", epoch)
    await channel.open()
    await channel.send("import time\nfor i in range(40): print(i, flush=True); time.sleep(0.03)")
    await channel.until(lambda _, m: m.msg_type == "stream")
    print("running", flush=True)
    print((await channel.closed(60))[0], flush=True)
    await channel.open()
    print((await channel.closed(60))[0], flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
