"""The house of docs/architecture.md: who may import whom, and how large rooms and files are."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent
FILES = sorted((PROJECT / "glam").rglob("*.py"))
WITH_TORCH = ("learning", "fused", "models")  # the rooms that may import it before they need it
LONGEST = 400  # lines of a file


def order() -> list[str]:
    """The rooms from the bottom up, as the page lists them."""
    page = (PROJECT / "docs" / "architecture.md").read_text(encoding="utf-8")
    return re.findall(r"^\| `(?:glam/)?(\w+)(?:\.py|/)?`", page, re.MULTILINE)


def name_of(path: Path) -> str:
    parts = path.relative_to(PROJECT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(path: Path) -> Iterator[tuple[str, bool]]:
    """The modules of the package that a file imports, anywhere in it; whether it does so at its own import."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    at_once = {id(node) for node in tree.body}
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            yield name, id(node) in at_once


def room(module: str) -> str:
    """The room of a module; the files at the top that everybody uses are the room `base`."""
    parts = module.split(".")
    known = {path.parent.name for path in FILES if path.name == "__init__.py"}
    if len(parts) > 1 and parts[1] in known:
        return parts[1]
    return {"recipe": "recipe", "__main__": "cli"}.get(parts[-1], "base")


def test_every_room_is_on_the_page() -> None:
    assert set(order()) == {room(name_of(path)) for path in FILES}


def test_nobody_imports_upward() -> None:
    place = {name: i for i, name in enumerate(order())}
    modules = {name_of(path) for path in FILES}
    upward = [
        f"{name_of(path)} imports {name}"
        for path in FILES
        for name, _ in imported(path)
        if name in modules and place[room(name)] > place[room(name_of(path))]
    ]
    assert upward == []


def test_nobody_goes_in_circles() -> None:
    modules = {name_of(path): path for path in FILES}
    graph = {name: sorted({to for to, _ in imported(path) if to in modules} - {name}) for name, path in modules.items()}
    done: set[str] = set()

    def visit(name: str, way: tuple[str, ...]) -> None:
        assert name not in way, f"a circle: {' -> '.join([*way[way.index(name) :], name])}"
        if name not in done:
            for to in graph[name]:
                visit(to, (*way, name))
            done.add(name)

    for name in graph:
        visit(name, ())


def test_only_rooms_that_compute_import_torch_at_once() -> None:
    early = [
        name_of(path)
        for path in FILES
        for name, at_once in imported(path)
        if at_once and name.split(".")[0] in ("torch", "torchaudio") and room(name_of(path)) not in WITH_TORCH
    ]
    assert early == []


def test_no_room_is_above_a_sixth_of_the_house() -> None:
    lines: dict[str, int] = {}
    for path in FILES:
        lines[room(name_of(path))] = lines.get(room(name_of(path)), 0) + path.read_text(encoding="utf-8").count("\n")
    large = {name: count for name, count in lines.items() if count > sum(lines.values()) / 6}
    assert large == {}


@pytest.mark.parametrize("folder", ["glam", "tests", "benchmarks"])
def test_no_file_is_too_long(folder: str) -> None:
    long = {
        str(path.relative_to(PROJECT)): count
        for path in sorted((PROJECT / folder).rglob("*.py"))
        if (count := path.read_text(encoding="utf-8").count("\n")) > LONGEST
    }
    assert long == {}


def test_locals_are_named_for_their_kind() -> None:
    nothing = {"one", "found", "there", "said"}
    named = [
        f"{name_of(path)}, line {node.lineno}: {name}"
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for name in [node.id if isinstance(node, ast.Name) else node.arg if isinstance(node, ast.arg) else ""]
        if name in nothing and isinstance(node, ast.Name | ast.arg)
    ]
    assert named == []


def test_every_flag_is_declared_once() -> None:
    flags: dict[str, list[str]] = {}
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or getattr(node.func, "attr", getattr(node.func, "id", "")) not in (
                "add",
                "add_argument",
            ):
                continue
            for argument in node.args:
                if isinstance(argument, ast.Constant) and str(argument.value).startswith("--"):
                    flags.setdefault(str(argument.value), []).append(path.name)
    shared = set(re.findall(r'"(--[\w-]+)"', (PROJECT / "glam" / "cli" / "flags.py").read_text(encoding="utf-8")))
    assert shared
    twice = {flag: files for flag, files in flags.items() if flag in shared}
    assert twice == {}
