"""The outputs of a cell as a notebook stores them (nbformat 4.5)."""

from __future__ import annotations

from typing import Any, assert_never

from ..display.terminal_text import cut_middle
from .output_items import TEXT_HALF, DataItem, ErrorItem, TextItem
from .outputs import CellOutputs


def to_nbformat(outputs: CellOutputs, record: str) -> list[dict[str, Any]]:
    """Return the outputs as a notebook stores them, without those that widgets captured. `record` names the place of the
    rest, for the note at the cut."""
    result: list[dict[str, Any]] = []
    for index, item in enumerate(outputs.items()):
        if index == len(outputs.head) and (gap := outputs.gap) is not None:
            note = f"\n{_left_out(gap.what, record, outputs.unrecorded)}\n"
            result.append({"output_type": "stream", "name": "stderr", "text": note})
        if item.into:
            continue
        match item:
            case TextItem():
                last = result[-1] if result else None
                if last is not None and last["output_type"] == "stream" and last["name"] == item.stream:
                    last["text"] += item.text
                else:
                    result.append({"output_type": "stream", "name": item.stream, "text": item.text})
            case DataItem():
                result.append(_display(item))
                if item.in_record_only:
                    result[-1]["data"] = {"text/plain": f"{item.data['text/plain']}: {record}"}
            case ErrorItem():
                result.append(_raised(item, record))
            case _:
                assert_never(item)
    return result


def _raised(error: ErrorItem, record: str) -> dict[str, Any]:
    lines = list(error.traceback)
    cut = cut_middle("\n".join(lines), 2 * TEXT_HALF)
    if cut.cut_chars:
        lines = [cut.head, _left_out(f"{cut.cut_chars:,} characters", record), cut.tail]
    evalue = error.evalue[:TEXT_HALF]
    return {"output_type": "error", "ename": error.ename, "evalue": evalue, "traceback": lines}


def _left_out(what: str, record: str, unrecorded: int = 0) -> str:
    there = f"all but {unrecorded:,} characters" if unrecorded else "all of it"
    return f"... {what} left out; {there}: {record} ..."


def _display(item: DataItem) -> dict[str, Any]:
    data: object = item.recorded or {
        mime: value if isinstance(value, str) or mime.endswith("json") else str(value)
        for mime, value in item.data.items()
        if value is not None
    }
    output: dict[str, Any] = {"data": data, "metadata": dict(item.metadata)}
    if item.execution_count is None:
        return {"output_type": "display_data", **output}
    return {"output_type": "execute_result", "execution_count": item.execution_count, **output}
