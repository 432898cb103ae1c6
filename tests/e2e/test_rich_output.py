"""Widgets, images and file names of a real kernel, as a model is told them and as the notebook keeps them."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.project import Project, outputs_text, read_notebook, until
from tests.shared import SharedProject

WIDGETS = """
import sys
from comm import create_comm
from IPython.display import display, clear_output
def widget(model, **state):
    name = {"_model_name": model, "_model_module": "@jupyter-widgets/controls", "_model_module_version": "2.0.0"}
    return create_comm(target_name="jupyter.widget", data={"state": {**name, **state}})
def show(comm):
    view = {"model_id": comm.comm_id, "version_major": 2, "version_minor": 0}
    display({"application/vnd.jupyter.widget-view+json": view, "text/plain": "0 %"}, raw=True)
def change(comm, **state):
    sys.stdout.flush()  # as `Output` does
    comm.send({"method": "update", "state": state})
bar = widget("FloatProgressModel", value=0.0, min=0.0, max=4.0, description="train")
show(bar)
"""
"""what ipywidgets and tqdm send"""
CAPTURE = """
import time
out = widget("OutputModel", msg_id="", outputs=[])
print("own")
for step in range(5):
    change(bar, value=float(step))
    change(out, msg_id=get_ipython().kernel.get_parent("shell")["header"]["msg_id"])
    clear_output(wait=True); print("epoch", step)
    change(out, msg_id="")
    while step == 3 and not __import__("pathlib").Path("go on to epoch 4").exists(): time.sleep(0.02)
show(out)
"""


async def test_a_bar_of_widgets_is_followed_and_its_last_state_is_in_the_notebook(
    shared_server: Project,
) -> None:
    async with shared_server.client() as agent:
        answer = await agent.record("start_new_session", experiment_name="bars")
        session, path = answer["session_id"], Path(answer["notebook_path"])
        first = await agent.text("execute_code", session_id=session, code=WIDGETS)
        assert "train: |          |" in first
        running = await agent.text("execute_code", session_id=session, code=CAPTURE, wait_s=0)
        async with asyncio.timeout(40):
            while "epoch 3" not in running:
                running = await agent.text("wait_for_run", run_id=f"{session}-2", wait_s=0.2)
        assert "own\n" in running and "epoch 3" in running and "epoch 2" not in running
        assert "train: |███████▌  |" in running and "Last line: " in running
        (path.parent / "go on to epoch 4").touch()
        done = await agent.text("wait_for_run", run_id=f"{session}-2", wait_s=40)
        assert "own\n" in done and "epoch 4" in done and "train: |██████████|" in done
        assert "train: |██████████|" in await agent.text("read_notebook", session_id=session, cells=[0])
        await agent.text("shutdown_session", session_id=session)
    stored = read_notebook(path)
    assert outputs_text(stored["cells"][1]).strip() == "own"
    assert stored["cells"][0]["outputs"][0]["data"]["text/plain"] == ["0 %"]
    models = stored["metadata"]["widgets"]["application/vnd.jupyter.widget-state+json"]["state"].values()
    states = {model["model_name"]: model["state"] for model in models}
    assert states["FloatProgressModel"]["value"] == 4.0
    assert [output["text"] for output in states["OutputModel"]["outputs"]] == ["epoch 4\n"]
    from nbconvert import HTMLExporter  # half a second, in each worker that collects this file

    html, _ = HTMLExporter().from_filename(str(path))  # type: ignore[no-untyped-call]
    assert "application/vnd.jupyter.widget-state+json" in html and "epoch 4" in html


FIGURES = """
import matplotlib.pyplot as plt
from IPython.display import display
def figure(title):
    fig, ax = plt.subplots()
    ax.plot([0, 1], label="train")
    ax.set(title=title, xlabel="epoch", xlim=(0, 10)); ax.legend()
    ax.text(20, 0.5, "outside", clip_on=True)
    return fig
figure("Shown at the end")
plt.show()
shown = display(figure("Shown"), display_id="fig"); plt.close("all")
"""


async def test_the_texts_of_a_figure_are_for_the_dashboard_alone(shared_server: SharedProject) -> None:
    """They are in the record, and neither in the notebook nor in a reply; without them the image comes as usual."""
    async with shared_server.shared_client() as agent:
        answer = await agent.record("start_new_session", experiment_name="figures")
        session, path = answer["session_id"], Path(answer["notebook_path"])
        replies = [
            await agent.call("execute_code", session_id=session, code=code)
            for code in (
                FIGURES,
                "shown.update(figure('Updated')); plt.close('all')",
                "fig = figure('Result'); plt.close('all'); fig",
                "import sys; sys.modules['_jlab_mcp_kernel_figures'] = None; bare = figure('Bare')",
            )
        ]
        assert [sum(part.type == "image" for part in reply.content) for reply in replies] == [2, 1, 1, 1]
        said = "".join(part.text for reply in replies for part in reply.content if part.type == "text")
        events = [event for event in shared_server.journal(session) if event["k"] in ("data", "update")]
        texts = [[text[7] for text in event.get("texts", ())] for event in events]
        titles = ["Shown at the end", "Shown", "Updated", "Result"]
        for shown, title in zip(texts, titles, strict=False):
            assert {title, "epoch", "train", "10", "1.0"} <= set(shown) and "outside" not in shown
        assert len(texts) == 5 and texts[4] == []
        await until(lambda: len(read_notebook(path)["cells"][3]["outputs"]) == 1)
        stored = path.read_text(encoding="utf-8")
        for words in ("jlab_mcp_texts", '"transient"', 'Shown at the end"', "#1f77b4"):
            assert words not in stored and words not in said
        assert "image/png" in stored


async def test_the_notebook_keeps_every_image_of_a_cell(shared_server: Project) -> None:
    code = "import os, base64\nfrom IPython.display import display\nfor i in range(40): display({'image/png': base64.b64encode(os.urandom(262_000)).decode()}, raw=True)"
    async with shared_server.client() as agent:
        answer = await agent.record("start_new_session", experiment_name="images")
        path = Path(answer["notebook_path"])
        await agent.text("execute_code", session_id=answer["session_id"], code=code)
        await until(lambda: [len(cell["outputs"]) for cell in read_notebook(path)["cells"]] == [40], 40)
        stored = read_notebook(path)["cells"][0]["outputs"]
        assert all(len(output["data"]["image/png"]) > 300_000 for output in stored)
        await agent.text("shutdown_session", session_id=answer["session_id"])


async def test_names_that_are_not_utf_8_and_windows_line_ends_and_failed_commands_are_told(
    shared_server: Project,
) -> None:
    async with shared_server.client() as agent:
        session = (await agent.record("start_new_session", experiment_name="odd"))["session_id"]

        async def run(code: str) -> str:
            return await agent.text("execute_code", session_id=session, code=code)

        names = "import os\nos.makedirs(b'odd', exist_ok=True); open(b'odd/caf\\xe9.csv', 'w').close()\nprint('before'); print(os.listdir('odd')[0]); print('after')"
        assert "before\ncaf\ufffd.csv\nafter" in await run(names)
        assert "ValueError: cannot parse caf\ufffd.csv" in await run(
            "raise ValueError('cannot parse ' + os.listdir('odd')[0])"
        )
        assert (await run("!echo one\r\n!echo two\r\n")).startswith("one\ntwo\n")
        assert "Its last shell command failed with exit code 3." in await run("\ufeff!exit 3")
        assert "failed" not in await run("!true")
        await agent.text("shutdown_session", session_id=session)
