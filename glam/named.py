"""Functions and classes that settings name: one of the package's, or of a file of the user's (`mine.py:statistics`).

The signature alone says what can be set: positional parameters are given by whoever calls, keyword-only ones
are options, with their types and defaults. It is read from the source, so that settings are checked without running or
importing anything.
"""

import ast
import importlib.util
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib import import_module
from math import inf, isfinite
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import ConfigDict, ValidationInfo, model_validator

from glam.errors import GlamError
from glam.settings import Settings
from glam.words import did_you_mean

Value = int | float | bool | str | None
STORED = "stored"  # in the validation's context: what was recorded is read, and nothing that it names need exist


@dataclass(frozen=True)
class Option:
    """An option of a function: the types that it takes, the allowed values if only some are, its default."""

    kinds: tuple[type, ...]
    allowed: tuple[Value, ...]
    default: Value

    def checked(self, value: Any) -> Value:
        """The value as the function takes it; ValueError where the function does not take it."""
        if any(type(value) is type(known) and value == known for known in self.allowed):
            return value  # type: ignore[no-any-return]
        if float in self.kinds and int not in self.kinds and type(value) is int:
            value = float(value) if abs(value) < 2**1000 else inf
        if type(value) not in self.kinds or (type(value) is float and not isfinite(value)):
            words = {int: "a whole number", float: "a number", bool: "true or false", str: "a word", type(None): "null"}
            expected = [f"one of {', '.join(map(str, self.allowed))}"] if self.allowed else []
            expected += [words[kind] for kind in self.kinds]
            raise ValueError(f"given {value!r}, expected {' or '.join(expected)}")
        return value  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Signature:
    """The parameters of a function.

    positional: the parameters that the caller gives, and optional: of those the ones that have a default. options: what
    can be set, by name.
    """

    positional: tuple[str, ...]
    optional: frozenset[str]
    options: Mapping[str, Option]


@dataclass(frozen=True)
class Source:
    """The place of a function or class: the file `path`, or `module` of the package."""

    path: Path
    function: str
    module: str | None = None

    @property
    def sha256(self) -> str:
        """The file's SHA-256, 64 hex digits."""
        return sha256(_read(self.path)).hexdigest()

    def signature(self) -> Signature:
        """Its signature; GlamError where the file has no such function, or an option of a kind that cannot be set."""
        return _signature(self.path, self.function, _read(self.path))

    def purpose(self) -> str:
        """The first line of its docstring, without the full stop; "" where it has none."""
        for node in ast.parse(_read(self.path), str(self.path)).body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == self.function:
                return (ast.get_docstring(node) or "").partition("\n")[0].rstrip(".")
        return ""

    def load(self) -> Any:
        """The function or class itself; the file is run. GlamError, with the line, for whatever goes wrong in it."""
        if self.module is not None:
            return getattr(import_module(self.module), self.function)
        try:
            return getattr(_run(self.path), self.function)
        except AttributeError:
            raise GlamError(f"{self.path}: has no {self.function!r}") from None


def source(name: str, ours: Mapping[str, str], kind: str) -> Source:
    """The source of what is called so: a name of `ours` (name -> module:function), or `<file>.py:<function>`.

    kind: what it is, in messages. Raises GlamError for any other name, with those there are.
    """
    if name in ours:
        module, function = ours[name].split(":")
        return Source(_file_of(module), function, module)
    path, colon, function = name.rpartition(":")
    if colon and path.endswith(".py"):
        return Source(Path(path), function)
    raise GlamError(
        f"there is no {kind} {name!r}.{did_you_mean(name, ours)} There are {', '.join(ours)}; "
        "one of your own is path/to/file.py:name"
    )


class Chosen(Settings):
    """Something that is chosen by name, with the options of its signature beside the name.

    An option at its default is left out: writing a default out makes no other experiment. sha256: of the file, for one
    of the user's own; found when the settings are read, and part of what identifies an experiment.
    """

    model_config = ConfigDict(frozen=True, extra="allow")
    kind: ClassVar[str]
    ours: ClassVar[Mapping[str, str]]

    name: str
    sha256: str | None = None

    @model_validator(mode="after")
    def _as_the_signature_says(self, info: ValidationInfo) -> Self:
        if STORED in (info.context or ()):
            return self
        try:
            where = self.source()
            signature = where.signature()
            options = signature.options
            kept = self.__pydantic_extra__ or {}
            for name, value in list(kept.items()):
                if name not in options:
                    raise GlamError(f"the {self.kind} {self.title} has no option {name!r}.{_allowed(name, signature)}")
                try:
                    kept[name] = options[name].checked(value)
                except ValueError as error:
                    raise GlamError(f"{name}: {error}") from None
                if kept[name] == options[name].default:
                    del kept[name]
            digest = None if where.module else where.sha256
            as_recorded(where, self.sha256)
        except GlamError as error:
            raise ValueError(str(error)) from None
        object.__setattr__(self, "sha256", digest)
        return self

    def source(self) -> Source:
        """The place of what is named; GlamError where there is none of that name."""
        return source(self.name, self.ours, self.kind)

    def check_file(self) -> None:
        """Raise GlamError where it is of a file of the user's that is not the one that was recorded, or is gone."""
        if self.sha256 is not None:
            self.content()

    def content(self) -> bytes:
        """The content of the user's file that it is of; GlamError where that is not as recorded, or is gone."""
        return as_recorded(self.source(), self.sha256)

    def options(self) -> dict[str, Any]:
        """The options that are not at their default."""
        return dict(self.model_extra or {})

    def defaults(self) -> dict[str, Any]:
        """The defaults of its options, where they are a value; none of what was recorded and may be gone."""
        options = self.source().signature().options if self.name in self.ours else {}
        return {name: option.default for name, option in options.items() if option.default is not None}

    def scientific(self) -> dict[str, Any]:
        """The settings that identify it: of a file its name and hash, not where it lies."""
        settings: dict[str, Any] = self.model_dump(mode="json", exclude_defaults=True)
        if self.sha256 is not None:
            settings["name"] = self.title
        return settings

    @property
    def own_file(self) -> Path | None:
        """The user's file that it is of; None for one of the package's."""
        return None if self.sha256 is None else self.source().path

    @property
    def title(self) -> str:
        """The name to call it by, that of a user's own without the folder."""
        return title_of(self.name)


def title_of(name: str) -> str:
    """The name to call something by: of one of the user's own (`<file>.py:<name>`, or a file), without the folder."""
    path, colon, function = name.rpartition(":")
    return f"{Path(path).name}:{function}" if colon else Path(name).name


def as_recorded(where: Source, digest: str | None) -> bytes:
    """The content of a file; GlamError where it is not the one with the recorded hash (None: none was recorded)."""
    content = _read(where.path)
    if digest not in (None, sha256(content).hexdigest()):
        raise GlamError(f"{where.path} is not the file that was recorded: it has been changed since")
    return content


def _allowed(name: str, signature: Signature) -> str:
    options = signature.options
    known = f"{did_you_mean(name, options)} Its options are {', '.join(options)}" if options else " It has none"
    given = f"; {name} is given by whoever calls it: options stand behind a * in its parameters"
    return known + (given if name in signature.positional else "")


def _file_of(module: str) -> Path:
    return Path(__file__).parent.joinpath(*module.split(".")[1:]).with_suffix(".py")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise GlamError(f"{path}: cannot be read ({error.strerror})") from None


@cache
def _signature(path: Path, function: str, content: bytes) -> Signature:
    try:
        tree = ast.parse(content, str(path))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:  # the last two of what is nested too deeply
        raise GlamError(f"{path}: is not Python ({str(error) or 'nested too deeply'})") from None
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == function:
            made = [item for item in node.body if isinstance(item, ast.FunctionDef) and item.name == "__init__"]
            return _of(path, made[0].args, 1) if made else Signature((), frozenset(), {})
        if isinstance(node, ast.FunctionDef) and node.name == function:
            return _of(path, node.args, 0)
    named = [node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    raise GlamError(f"{path}: has no {function!r}; it has {', '.join(named) or 'no function'}")


def _of(path: Path, arguments: ast.arguments, skipped: int) -> Signature:
    positional = [parameter.arg for parameter in (*arguments.posonlyargs, *arguments.args)]
    optional = positional[len(positional) - len(arguments.defaults) :]
    options = {}
    for parameter, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        try:
            if default is None:
                raise ValueError
            value = ast.literal_eval(default)
            kinds, allowed = _kinds(parameter.annotation, value)
        except (ValueError, TypeError, KeyError):
            raise GlamError(
                f"{path}, line {parameter.lineno}: the option {parameter.arg} must be an int, float, bool, str or "
                "Literal with a default"
            ) from None
        options[parameter.arg] = Option(kinds, allowed, value)
    return Signature(tuple(positional[skipped:]), frozenset(optional), options)


def _kinds(annotation: ast.expr | None, default: Any) -> tuple[tuple[type, ...], tuple[Value, ...]]:
    """The types and the allowed values that an annotation means; those of the default where there is none."""
    types: dict[str, type] = {"int": int, "float": float, "bool": bool, "str": str, "None": type(None)}
    if annotation is None:
        if type(default) not in types.values():
            raise ValueError
        return (type(default),), ()
    if isinstance(annotation, ast.BinOp):
        left, right = _kinds(annotation.left, default), _kinds(annotation.right, default)
        return left[0] + right[0], left[1] + right[1]
    if isinstance(annotation, ast.Subscript) and ast.unparse(annotation.value).split(".")[-1] == "Literal":
        values = ast.literal_eval(annotation.slice)
        return (), tuple(values) if isinstance(values, tuple) else (values,)
    return (types[ast.unparse(annotation)],), ()


def _run(path: Path) -> Any:
    content = _read(path)  # a notebook may edit the file and go on: what was run before is then another module
    name = f"glam_own_{sha256(bytes(path.resolve()) + content).hexdigest()[:12]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None:
        raise GlamError(f"{path}: is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where pickling and dataclasses look for it
    try:
        tree = ast.parse(content, path)
        _check_alone(tree, path)
        exec(compile(tree, path, "exec", dont_inherit=True), vars(module))
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise GlamError(f"{path}: cannot be imported: {in_file(error, path)}") from None
    return module


def _check_alone(tree: ast.Module, path: Path) -> None:
    """ImportError where a file of the user's imports another one beside it: only its own hash would be recorded."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Import | ast.ImportFrom):
            continue
        module, relative = getattr(node, "module", None), getattr(node, "level", 0) > 0
        names = [module] if module else [alias.name for alias in node.names]
        for first in (name.partition(".")[0] for name in names):
            beside = [file for file in (f"{first}.py", first) if path.with_name(file).exists()]
            if beside and (relative or not _lies_elsewhere(first, path)):
                raise ImportError(
                    f"{beside[0]} lies beside it, but what is recorded is one file: put all into {path.name}"
                )


def _lies_elsewhere(name: str, path: Path) -> bool:
    """True where a module is found, and not beside the file; of this package wherever it lies."""
    spec = importlib.util.find_spec(name)
    if spec is None or name == "glam":
        return spec is not None
    places = spec.submodule_search_locations or ([spec.origin] if spec.has_location and spec.origin else [])
    return path.resolve().parent not in {Path(place).resolve().parent for place in places}


def in_file(error: BaseException, path: Path | None) -> str:
    """An error in one line: what it says and, of the user's own file `path`, where in that file it was raised."""
    line = error.lineno if isinstance(error, SyntaxError) else None if path is None else line_in(error, path)
    where = f"line {line}: " if line else ""
    return f"{where}{type(error).__name__}: {' '.join(str(error).split())}"


def line_in(error: BaseException, path: Path) -> int | None:
    """The line of a file in which an error was raised, or was on its way; None where it was not there."""
    line, trace = None, error.__traceback__
    while trace is not None:
        if Path(trace.tb_frame.f_code.co_filename).resolve() == path.resolve():
            line = trace.tb_lineno
        trace = trace.tb_next
    return line
