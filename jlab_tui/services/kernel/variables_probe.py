"""The code that looks at the variables of a kernel, as one expression. `core.kernel.variable_table` reads the answer."""

from __future__ import annotations

from typing import Final

ASK_S: Final = 10.0
_ROWS_MAX: Final = 200
_EACH_S: Final = 1.0
_ALL_S: Final = 5.0
"""longest time in seconds to keep the kernel from other work"""

# Runs in the user's kernel: leaves no name behind. Attributes and __sizeof__ may be the user's code: they may raise, and
# block. So a thread looks at the values; one that does not answer is left to it, and another thread goes on behind it.
# An attribute has to be there without __getattr__: a data frame answers to the names of its columns.
HELPERS: Final = """
import inspect, json, sys, threading, time, types

def quietly(ask, otherwise=""):
    try:
        return ask()
    except BaseException:
        return otherwise

def attribute(value, name):
    if isinstance(value, type) or inspect.getattr_static(value, name, None) is None:
        return None
    return getattr(value, name, None)

def type_name(value):
    kind = type(value)
    return ("" if kind.__module__ in ("builtins", "__main__") else str(kind.__module__) + ".") + kind.__qualname__

def shape(value):
    shape = attribute(value, "shape")
    if isinstance(shape, (tuple, list)):
        return str(tuple(shape))
    return str(len(value)) if isinstance(value, (str, bytes, list, tuple, dict, set, frozenset)) else ""

def text(value):
    return "" if value is None else " ".join(str(value).split())[:80]

def size(value):
    count = quietly(lambda: attribute(value, "nbytes"))
    return int(count) if isinstance(count, int) else sys.getsizeof(value, 0)

def small(value):
    plain = isinstance(value, (int, float, complex, str, bytes, type(None))) and sys.getsizeof(value, 0) < 10000
    return repr(value)[:60] if plain else ""
"""
_ROWS: Final = """
def row(name, value):
    return {
        "name": name, "type": quietly(lambda: type_name(value), "?"), "shape": quietly(lambda: shape(value)),
        "dtype": quietly(lambda: text(attribute(value, "dtype"))),
        "device": quietly(lambda: text(attribute(value, "device"))),
        "bytes": quietly(lambda: size(value), 0), "value": quietly(lambda: small(value)),
    }

def silent(name, value):
    return {
        "name": name, "type": quietly(lambda: type_name(value), "?"), "shape": "", "dtype": "", "device": "",
        "bytes": 0, "value": "(does not answer)",
    }

def look(part, found):
    for item in part:
        if found is newest[0]:
            found.append(row(*item))

def rows(rest):
    answered, end = [], time.monotonic() + all_s
    while rest and time.monotonic() < end:
        newest[0] = found = []
        looking = threading.Thread(target=look, args=(rest, found), daemon=True)
        looking.start()
        before = looks = 0
        while looking.is_alive() and looks < 2:  # one look may come right after a C call that held everything
            looking.join(each_s / 2)
            before, looks = len(found), looks + 1 if len(found) == before else 0
        done = list(found)
        answered, rest = answered + done, rest[len(done):]
        if rest:
            answered.append(silent(*rest.pop(0)))
    return answered + [silent(*item) for item in rest]

def is_wanted(name, value):
    if names:
        return name in names
    is_module = quietly(lambda: isinstance(value, types.ModuleType), False)
    return not name.startswith("_") and name not in shell.user_ns_hidden and not is_module

shell = get_ipython()
newest = [None]
wanted = [item for item in list(shell.user_ns.items()) if is_wanted(*item)]
largest = sorted(rows(wanted), key=lambda row: -row["bytes"])[:most]
answer = json.dumps({"rows": largest, "total": len(wanted)})
"""


def probe(names: list[str] | None, each_s: float = _EACH_S) -> str:
    """Return an expression for the rows as JSON; it skips the values of a variable that does not answer within `each_s` seconds."""
    given = (
        f"{{'names': {names or None!r}, 'most': {_ROWS_MAX}, 'each_s': {each_s}, 'all_s': {_ALL_S}, "
        "'get_ipython': get_ipython}"
    )
    return f"(lambda room: exec({HELPERS + _ROWS!r}, room) or room['answer'])({given})"
