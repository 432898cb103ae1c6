"""Prints what makes the package hard to navigate; exits with 1 if it finds anything.

* Circular imports: at the top, in a function, or under TYPE_CHECKING.
* Duplicate names. A protocol may share its name with the one class that implements it in another layer, a module of
  `core` or `services` with the one module of `adapters` that does its input and output, and a module of `wiring` with
  the one that it composes.
* Modules of more than 350 lines whose docstring gives no reason in a sentence that begins with "One file".

Needs the project's environment: .venv/bin/python scripts/structure.py
"""

from __future__ import annotations

import ast
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import grimp

PACKAGE = Path(__file__).resolve().parent.parent / "jlab_tui"
LINES_MAX = 350
REASON = "One file"


def main() -> int:
    modules = {path: ast.parse(path.read_bytes()) for path in sorted(PACKAGE.rglob("*.py"))}
    found = [*circles(), *module_names(list(modules)), *class_names(modules), *long_modules(modules)]
    print(*found or ["No circular imports, no duplicate names, no long module without a reason."], sep="\n")
    return bool(found)


def circles() -> Iterator[str]:
    """Yield groups of modules that import each other, directly or through others."""
    graph = grimp.build_graph(PACKAGE.name, exclude_type_checking_imports=False, cache_dir=None)
    needs = {module: graph.find_upstream_modules(module) for module in graph.modules}
    groups = {frozenset(other for other in needs[m] if m in needs[other]) | {m} for m in needs}
    for group in sorted(sorted(group) for group in groups if len(group) > 1):
        yield f"circle: {' <-> '.join(group)}"


def module_names(paths: Sequence[Path]) -> Iterator[str]:
    places = defaultdict(list)
    for path in paths:
        if not path.stem.startswith("__"):
            places[path.stem].append(path)
    for name, found in places.items():
        if len(found) > 1 and not _is_pair([_layer(path) for path in found]):
            yield f"module name twice: {name} ({_places(found)})"


def _is_pair(layers: Sequence[str]) -> bool:
    is_of_adapter = "adapters" in layers and bool({"core", "services"} & set(layers))
    return len(layers) == len(set(layers)) == 2 and (is_of_adapter or "wiring" in layers)


def class_names(modules: dict[Path, ast.Module]) -> Iterator[str]:
    places = defaultdict(list)
    for path, module in modules.items():
        for node in ast.walk(module):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append((path, _is_protocol(node)))
    for name, found in places.items():
        layers = {_layer(path) for path, _ in found}
        is_port_and_adapter = len(found) == len(layers) == 2 and sum(protocol for _, protocol in found) == 1
        if len(found) > 1 and not is_port_and_adapter:
            yield f"class name twice: {name} ({_places([path for path, _ in found])})"


def _is_protocol(node: ast.ClassDef) -> bool:
    return any(ast.unparse(base).partition("[")[0] == "Protocol" for base in node.bases)


def long_modules(modules: dict[Path, ast.Module]) -> Iterator[str]:
    for path, module in modules.items():
        lines = len(path.read_text(encoding="utf-8").splitlines())
        if lines > LINES_MAX and REASON not in (ast.get_docstring(module) or ""):
            yield f'{lines} lines, no "{REASON} ..." in the docstring: {_places([path])}'


def _layer(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0]


def _places(paths: Sequence[Path]) -> str:
    return ", ".join(str(path.relative_to(PACKAGE)) for path in paths)


if __name__ == "__main__":
    sys.exit(main())
