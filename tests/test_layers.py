"""The house: data flow one way, files stay small, and nothing can run code from a file."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator, Set
from pathlib import Path

import pytest

import nnatomy

SOURCE = Path(nnatomy.__file__).parent

LEVELS = {
    "errors": -1,
    "types": -1,
    "conversion": 0,
    "compilation": 0,
    "data": 1,
    "nn": 2,
    "models": 3,
    "zoo": 3,
    "training": 4,
    "explain": 5,
    "diagnose": 5,
    "estimators": 6,
    "report": 6,
    "lecture": 7,
    "jobs": 7,
    "cli": 8,
    "studio": 8,
}
"""A package imports itself and packages of lower levels, never one of its own level."""

BANNED_MODULES = {"pickle", "cPickle", "joblib", "shelve", "marshal", "dill", "cloudpickle"}
BANNED_CALLS = {
    "eval",
    "exec",
    "compile",
    "__import__",
    "torch.load",
    "torch.save",
    "importlib.import_module",
}
ALLOWED = {
    # The one reader of PyTorch's own files, by its restricted reader, for import_weights alone.
    "training/torch_archive.py": {"torch.load"},
}
GRAB_BAGS = {"utils", "util", "helpers", "helper", "common", "manager", "misc", "tools"}


def sources() -> list[Path]:
    return sorted(SOURCE.rglob("*.py"))


def identity(path: Path) -> str:
    return str(path.relative_to(SOURCE))


def imported(tree: ast.AST) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "", node.lineno
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


def called(tree: ast.AST) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
            yield ast.unparse(node.func), node.lineno


def package_of(module: str) -> str | None:
    """The part of the house that a dotted name belongs to; None outside the house."""
    parts = module.split(".")
    return parts[1] if parts[0] == "nnatomy" and len(parts) > 1 else None


def upward_imports(tree: ast.AST, package: str) -> list[str]:
    found = []
    for module, line in imported(tree):
        target = package_of(module)
        if target is None or target == package:
            continue
        if target not in LEVELS or LEVELS[target] >= LEVELS[package]:
            found.append(f"line {line}: {package} imports {module}")
    return found


def unsafe_uses(tree: ast.AST, allowed: Set[str] = frozenset()) -> list[str]:
    banned = BANNED_CALLS - allowed
    found = [f"line {n}: {m}" for m, n in imported(tree) if m.split(".")[0] in BANNED_MODULES]
    found += [f"line {n}: {m}" for m, n in imported(tree) if m in BANNED_CALLS]
    found += [f"line {n}: {c}()" for c, n in called(tree) if c in banned]
    return found


def long_functions(tree: ast.AST, limit: int) -> list[str]:
    """Functions with more lines of code; their signature and docstring are not counted."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[ast.get_docstring(node) is not None :]
            lines = (node.end_lineno or 0) - body[0].lineno + 1 if body else 0
            if lines > limit:
                found.append(f"line {node.lineno}: {node.name} has {lines} lines")
    return found


def test_every_part_has_a_level() -> None:
    parts = {p.stem for p in SOURCE.iterdir() if p.suffix == ".py" or (p / "__init__.py").exists()}
    assert parts - {"__init__"} <= set(LEVELS)


@pytest.mark.parametrize("path", sources(), ids=identity)
def test_source_file(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    parts = path.relative_to(SOURCE).with_suffix("").parts
    assert not set(parts) & GRAB_BAGS
    assert len(text.splitlines()) <= 400
    assert long_functions(tree, 60) == []
    assert unsafe_uses(tree, ALLOWED.get("/".join(parts) + ".py", frozenset())) == []
    if parts != ("__init__",):
        assert upward_imports(tree, parts[0]) == []


@pytest.mark.parametrize(
    ("code", "package"),
    [
        ("from nnatomy.training.fit import fit", "data"),
        ("import nnatomy.cli.app", "report"),
        ("from nnatomy import training", "models"),
        ("from nnatomy.explain import saliency", "diagnose"),
        ("def late():\n    from nnatomy.studio import server", "cli"),
    ],
)
def test_an_upward_import_is_seen(code: str, package: str) -> None:
    assert len(upward_imports(ast.parse(code), package)) >= 1


@pytest.mark.parametrize(
    "code",
    [
        "import pickle",
        "from joblib import load",
        "import torch\ntorch.load('x')",
        "from torch import load",
        "eval('1')",
        "def f():\n    exec('1')",
    ],
)
def test_an_unsafe_use_is_seen(code: str) -> None:
    assert unsafe_uses(ast.parse(code)) != []


def test_pytorchs_files_are_read_in_one_place_by_the_restricted_reader() -> None:
    [name] = ALLOWED
    tree = ast.parse((SOURCE / name).read_text(encoding="utf-8"))
    [call] = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load"
    ]
    [restricted] = [word.value for word in call.keywords if word.arg == "weights_only"]
    assert isinstance(restricted, ast.Constant)
    assert restricted.value is True
    readers = [
        str(path.relative_to(SOURCE))
        for path in sources()
        for module, _ in imported(ast.parse(path.read_text(encoding="utf-8")))
        if "torch_archive" in module
    ]
    assert set(readers) == {"jobs/import_weights.py"}


def test_a_long_function_is_seen() -> None:
    body = "    x = 1\n" * 61
    tree = ast.parse(f'def f(\n    y,\n):\n    """Docstring."""\n{body}')
    assert long_functions(tree, 60) == ["line 1: f has 61 lines"]
    assert long_functions(tree, 61) == []


def test_import_does_not_import_torch() -> None:
    heavy = "['torch', 'pandas', 'sklearn', 'matplotlib', 'numpy']"
    code = f"import sys, nnatomy; print([m for m in {heavy} if m in sys.modules])"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert result.stdout.strip() == "[]"


def test_names_of_the_package_are_there() -> None:
    assert {"data", "models", "training"} <= set(dir(nnatomy))
    assert nnatomy.training.fit.__name__ == "fit"
