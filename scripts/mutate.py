"""Mutation testing of pure code: changes one thing in a module, in memory, and checks whether the module's own tests notice.

python scripts/mutate.py jlab_tui/core/display                     # every mutant of a folder, by tests/core/display
python scripts/mutate.py jlab_tui/core/slurm/queue.py --sample 20  # so many of them, chosen by --seed
python scripts/mutate.py jlab_tui/jupyter_extension                # the extension's pure modules, by tests/jupyter_extension/pure
python scripts/mutate.py jlab_tui/core/errors.py --tests tests/core/test_error_table.py

A mutant changes one comparison, `and`/`or`, `+`/`-`, `not`, boolean, small number or condition of a function. pytest collects
the tests once; each mutant runs them in a forked process with the changed function. `scripts/equal_mutants.toml` lists the
mutants that behave like the original. Exit code 1 if the tests notice fewer than 90 % of the others.
"""

from __future__ import annotations

import argparse
import ast
import gc
import inspect
import os
import random
import resource
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FunctionType

import hypothesis
import pytest

ROOT = Path(__file__).resolve().parent.parent
LEAST_SCORE = 0.9
SMALL = 10
"""larger numbers are budgets and sizes, which a test would only repeat"""
SWAPS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.And: ast.Or, ast.Or: ast.And,
    ast.Add: ast.Sub, ast.Sub: ast.Add,
}  # fmt: skip
PYTEST = ("-x", "-q", "-s", "--assert=plain", "-p", "no:cacheprovider", "-o", "addopts=", "--hypothesis-profile=mutate")  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    path: str
    line: int
    change: str
    """`function: before -> after`, as in `equal_mutants.toml`"""
    code: CodeType
    """of the changed function or method"""

    def install(self, functions: Sequence[FunctionType]) -> None:
        """Give the function its changed code, in all its copies."""
        for function in functions:
            if _key(function.__code__) == _key(self.code):
                function.__code__ = self.code


def _key(code: CodeType) -> tuple[str, str, int]:
    return code.co_filename, code.co_qualname, code.co_firstlineno


def _functions(tree: ast.Module, path: str) -> Iterator[CodeType]:
    """Yield the code of each function and method; code outside of them is not mutated."""
    waiting = [compile(tree, str(ROOT / path), "exec")]
    for code in waiting:
        if code.co_flags & inspect.CO_NEWLOCALS:
            # A comprehension ran on import.
            if code.co_name == "<lambda>" or not code.co_name.startswith("<"):
                yield code
        else:
            waiting += [part for part in code.co_consts if isinstance(part, CodeType)]


def mutants_of(path: str) -> Iterator[Mutant]:
    """Yield every mutant of a file."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    functions = list(_functions(tree, path))
    for where, parent, node, field in _places(tree, tree, ""):
        old = getattr(node, field)
        for new in _changes(node, field):
            shown = parent if isinstance(node, ast.Constant | ast.comprehension) else node
            before = ast.unparse(shown)
            setattr(node, field, new)
            mutated = list(_functions(ast.fix_missing_locations(tree), path))
            after = ast.unparse(shown)
            setattr(node, field, old)
            if isinstance(new, ast.Constant):
                before, after = f"if {ast.unparse(old)}", str(new.value)
            line = next(n.lineno for n in (old, node, parent) if hasattr(n, "lineno"))
            for code, original in zip(mutated, functions, strict=True):
                if code != original:
                    yield Mutant(path, line, f"{where}: {before} -> {after}", code)


def _places(node: ast.AST, parent: ast.AST, where: str) -> Iterator[tuple[str, ast.AST, ast.AST, str]]:
    """Yield function, parent, node and field of each possible change, outside annotations and decorators."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        where = node.name
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns", "decorator_list"):
            continue
        yield where, parent, node, field
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _places(child, node, where)


def _changes(node: ast.AST, field: str) -> Iterator[object]:
    """Change a field of a node to each alternative in turn."""
    match node, field:
        case ((ast.BinOp(op=op) | ast.BoolOp(op=op) | ast.AugAssign(op=op)), "op") if type(op) in SWAPS:
            yield SWAPS[type(op)]()
        case ast.Compare(ops=ops), "ops":
            for place, op in enumerate(ops):
                yield [*ops[:place], SWAPS[type(op)](), *ops[place + 1 :]]
        case ast.UnaryOp(op=ast.Not(), operand=operand), "operand":
            yield ast.UnaryOp(ast.Not(), operand)
        case ast.Constant(value=bool(value)), "value":
            yield not value
        case ast.Constant(value=int(value)), "value" if value <= SMALL:
            yield value + 1
        case ((ast.If() | ast.IfExp()), "test"):
            yield from (ast.Constant(True), ast.Constant(False))
        case ast.match_case(guard=ast.expr()), "guard":
            yield from (ast.Constant(True), ast.Constant(False))
        case ast.While(), "test":
            yield ast.Constant(False)
        case ast.comprehension(ifs=[_]), "ifs":
            yield from ([ast.Constant(True)], [ast.Constant(False)])


class _Trials:
    """A pytest plugin that runs the collected tests repeatedly, each time on another mutant."""

    def __init__(self, mutants: Sequence[Mutant], jobs: int) -> None:
        self._mutants = mutants
        self._jobs = jobs
        self._is_nested = False
        self._took_s: dict[str, float] = {}
        self.survivors: list[Mutant] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._took_s[report.nodeid] = self._took_s.get(report.nodeid, 0.0) + report.duration

    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        if self._is_nested:
            return None
        self._is_nested = True
        session.config.hook.pytest_runtestloop(session=session)  # raises if the tests fail without a mutant
        session.items.sort(key=lambda item: self._took_s.get(item.nodeid, 0.0))
        functions = [found for found in gc.get_objects() if isinstance(found, FunctionType)]
        gc.freeze()
        running: dict[int, Mutant] = {}
        for mutant in [*self._mutants, *[None] * self._jobs]:
            if len(running) == self._jobs or (mutant is None and running):
                pid, status = os.wait()
                if status == 0:
                    self.survivors.append(running[pid])
                    print(f"{running[pid].path}:{running[pid].line} {running[pid].change}", flush=True)
                del running[pid]
            if mutant is not None:
                running[self._start(mutant, session, functions)] = mutant
        return True

    def _start(self, mutant: Mutant, session: pytest.Session, functions: Sequence[FunctionType]) -> int:
        """Run the tests in a child process. Returns its id; it exits with 0 if no test notices the mutant."""
        if pid := os.fork():
            return pid
        is_noticed = True
        try:
            limit = 10 + 3 * int(sum(self._took_s.values()))
            resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
            resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, 1)
            os.dup2(null, 2)
            mutant.install(functions)
            session.config.hook.pytest_runtestloop(session=session)
            is_noticed = session.testsfailed > 0
        finally:
            os._exit(is_noticed)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("paths", nargs="+", help="modules or folders")
    parser.add_argument("--tests", nargs="+", default=[], help="instead of those for the paths")
    parser.add_argument("--sample", type=int, help="number of mutants to try, instead of all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    asked = parser.parse_args()
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = scratch
        # Only the failure matters, not its smallest example.
        phases = (hypothesis.Phase.explicit, hypothesis.Phase.generate)
        hypothesis.settings.register_profile(
            "mutate", deadline=None, database=None, derandomize=True, phases=phases
        )
        raise SystemExit(0 if _report(asked) else 1)


def _tests_of(module: Path) -> list[str]:
    """Return a module's own tests: its subject's folder, or the files beside it; none for code that is not pure."""
    if module.parts[1] == "jupyter_extension":
        pure = Path("tests/jupyter_extension/pure")
        return [str(pure)] if (pure / f"test_{module.name}").exists() else []
    core = Path("tests/core")
    subject = core / module.parts[2]
    return [str(test) for test in ([subject] if subject.is_dir() else core.glob("test_*.py"))]


def _report(asked: argparse.Namespace) -> bool:
    """Try the requested mutants. Returns whether the tests notice enough of them."""
    paths = [Path(path).resolve().relative_to(ROOT) for path in asked.paths]
    modules = sorted(str(m) for p in paths for m in (p.rglob("*.py") if p.is_dir() else [p]) if _tests_of(m))
    tests = asked.tests or sorted({test for module in modules for test in _tests_of(Path(module))})
    equal = tomllib.loads((ROOT / "scripts/equal_mutants.toml").read_text(encoding="utf-8"))
    found = [mutant for module in modules for mutant in mutants_of(module)]
    tried = [mutant for mutant in found if mutant.change not in equal.get(mutant.path, {})]
    apart = len(found) - len(tried)
    if asked.sample is not None:
        tried = random.Random(asked.seed).sample(tried, min(asked.sample, len(tried)))
    trials = _Trials(tried, asked.jobs)
    if pytest.main([*PYTEST, *tests], [trials]):
        raise SystemExit("The tests must pass without a mutant first.")
    survivors = len(trials.survivors)
    score = 1 - survivors / max(1, len(tried))
    print(
        f"{len(tried)} mutants tried of {len(found)}, {apart} equal programs; {survivors} survive: {score:.0%} noticed"
    )
    return score >= LEAST_SCORE


if __name__ == "__main__":
    main()
