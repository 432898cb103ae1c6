"""Looking at the variables of a kernel, also while a cell runs: through a subshell where the kernel has them."""

from __future__ import annotations

import ast
import json
from typing import Any, Final

from ..core.errors import SessionBusy
from .session import Session
from .subshell import evaluation

_ASK_S: Final = 15.0
_ROWS_MAX: Final = 200

# Runs in the user's kernel: leaves no name behind, calls no user code but __repr__ of small values.
_PROBE: Final = r"""
(lambda names, sys, json, types: json.dumps([
    (lambda n, v: {
        "name": n, "type": (type(v).__module__ + "." if type(v).__module__ not in ("builtins", "__main__") else "") + type(v).__qualname__,
        "shape": str(tuple(v.shape)) if isinstance(getattr(v, "shape", None), (tuple, list)) else (str(len(v)) if isinstance(v, (str, bytes, list, tuple, dict, set, frozenset)) else ""),
        "dtype": str(getattr(v, "dtype", "")) if not isinstance(v, type) and hasattr(v, "dtype") else "",
        "device": str(getattr(v, "device", "")) if not isinstance(v, type) and hasattr(v, "device") else "",
        "bytes": int(getattr(v, "nbytes", 0) or 0) if isinstance(getattr(v, "nbytes", None), int) else sys.getsizeof(v, 0),
        "value": repr(v)[:60] if isinstance(v, (int, float, complex, bool, str, bytes, type(None))) and sys.getsizeof(v, 0) < 10000 else "",
    })(n, v)
    for n, v in list(get_ipython().user_ns.items())
    if (n in names if names else not n.startswith("_") and n not in get_ipython().user_ns_hidden and not isinstance(v, types.ModuleType))
][:%d]))(%s, __import__("sys"), __import__("json"), __import__("types"))
"""


class Inspector:
    """Asks a kernel for its variables."""

    async def inspect(self, session: Session, names: list[str] | None) -> str:
        """A table of variables. Raises SessionBusy when a cell runs and the kernel has no subshells."""
        await session.refuse_unless_usable()
        subshell = ""
        if session.current is not None:
            subshell = await session.subshell.get(session.link, session.incarnation)
            if not subshell:
                raise SessionBusy(
                    f"A cell runs ({session.current.id}) and this kernel has no subshells, so its variables cannot be read now.",
                    f'Wait for it with wait_for_run(run_id="{session.current.id}").',
                )
        expression = _PROBE % (_ROWS_MAX, repr(names) if names else "None")
        try:
            reply = await session.link.ask(evaluation(expression, subshell), _ASK_S)
        except TimeoutError:
            return "The kernel does not answer: it is in a long C call. Try again later."
        return _table(reply.content, names)


def _table(content: Any, names: list[str] | None) -> str:
    answer = (content.get("user_expressions") or {}).get("v") or {}
    if answer.get("status") != "ok":
        return (
            f"The variables could not be read: {answer.get('ename', 'no answer')}: {answer.get('evalue', '')}"
        )
    rows = json.loads(ast.literal_eval(answer["data"]["text/plain"]))
    if not rows:
        return f"None of {', '.join(names)} exists." if names else "No variables yet."
    lines = ["name | type | shape | dtype | device | size | value"]
    for row in sorted(rows, key=lambda r: -r["bytes"]):
        size = _size(row["bytes"])
        lines.append(
            " | ".join(
                (row["name"], row["type"], row["shape"], row["dtype"], row["device"], size, row["value"])
            )
        )
    if len(rows) == _ROWS_MAX:
        lines.append(f"... only {_ROWS_MAX} are shown; ask for others by name.")
    missing = [n for n in names or () if n not in {row["name"] for row in rows}]
    if missing:
        lines.append(f"Not there: {', '.join(missing)}.")
    return "\n".join(lines)


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError("unreachable")
