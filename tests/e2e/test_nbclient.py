"""The notebooks of nbclient's own test-suite give nbclient's outputs."""

from __future__ import annotations

import base64
import importlib.util
import json
import re
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import canonicalize

import pytest

from tests.project import Project, read_notebook

LEFT_OUT = {
    "Autokill": "it kills its kernel on purpose",
    "Disable Stdin": "it tests an option of nbclient",
    "Error": "its end is nbclient's own exception",
    "Interrupt": "it needs a time limit",
    "JupyterWidgets": "" if importlib.util.find_spec("ipywidgets") else "ipywidgets is not installed",
    "Output": "" if importlib.util.find_spec("ipywidgets") else "ipywidgets is not installed",
    "Parallel Execute A": "it waits for another notebook",
    "Parallel Execute B": "it waits for another notebook",
    "Sleep1s": "it only waits",
}
VIEW = "application/vnd.jupyter.widget-view+json"


@pytest.fixture
def notebooks(tmp_path: Path) -> Path:
    """The folder with nbclient's test notebooks, from its source archive."""
    download = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-build-isolation"]
    command = [*download, "--no-binary", ":all:", "--dest", str(tmp_path), "nbclient"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip("the package index does not answer")
    archives = [*tmp_path.glob("nbclient-*.tar.gz")]
    if done.returncode or not archives:
        pytest.skip(
            f"the package index has no source archive of nbclient for us: {done.stderr.strip()[-200:]}"
        )
    with tarfile.open(archives[0]) as archive:
        archive.extractall(tmp_path, filter="data")
    return next(tmp_path.glob("nbclient-*/tests/files"))


def normal(output: dict[str, Any]) -> dict[str, Any]:
    """An output without what differs from run to run, as nbclient's own tests compare it."""
    data = {mime: plain(value) for mime, value in output.get("data", {}).items()}
    if VIEW in data:
        data[VIEW] = "a view"
    if "image/png" in data:
        data["image/png"] = base64.b64encode(base64.b64decode(data["image/png"])).decode()
    if "image/svg+xml" in data:
        data["image/svg+xml"] = canonicalize(data["image/svg+xml"], strip_text=True)
    traceback = re.sub(r"\x1b\[[\d;]*m|\s", "", "".join(output.get("traceback", ())))
    return {
        "type": output["output_type"],
        "name": output.get("name") or output.get("ename", ""),
        "text": re.sub(r"0x[0-9a-f]{7,}", "<address>", plain(output.get("text", "")))
        + output.get("evalue", ""),
        "traceback": traceback.rpartition("---->")[2],
        "data": data,
    }


def plain(value: Any) -> Any:
    return re.sub(r"\s+$", "", "".join(value)) if isinstance(value, str | list) else value


async def test_notebooks_that_nbclient_runs_have_the_same_outputs(
    shared_server: Project, notebooks: Path
) -> None:
    cells: list[dict[str, Any]] = []
    for path in sorted(notebooks.glob("*.ipynb")):
        if not LEFT_OUT.get(path.stem):
            stored = json.loads(path.read_text(encoding="utf-8"))["cells"]
            cells += [
                cell | {"id": f"{path.stem[:20].replace(' ', '-')}-{n}"} for n, cell in enumerate(stored)
            ]
    expected = {
        cell["id"]: [normal(o) for o in cell["outputs"]] for cell in cells if cell["cell_type"] == "code"
    }
    assert len(expected) > 20
    path = shared_server.root / "nbclient.ipynb"
    cleared = [cell | ({"outputs": []} if cell["cell_type"] == "code" else {}) for cell in cells]
    notebook = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cleared}
    path.write_text(json.dumps(notebook), encoding="utf-8")
    (shared_server.root / "python.png").write_bytes((notebooks / "python.png").read_bytes())
    async with shared_server.client() as agent:
        answer = await agent.record(
            "start_session_resume_notebook", notebook_path=str(path), reexecute="always", on_error="continue"
        )
        await agent.text("shutdown_session", session_id=answer["session_id"])
    found = {
        cell["id"]: [normal(o) for o in cell.get("outputs", ())] for cell in read_notebook(path)["cells"]
    }
    assert {name: outputs for name, outputs in found.items() if name in expected} == expected
