"""Functions and classes that settings name: read without being run, and checked before anything long."""

import inspect
import json
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, get_args, get_type_hints

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from glam import named
from glam.corpora import CORPORA
from glam.errors import GlamError
from glam.inputs.inputs import INPUTS
from glam.learning.settings import LOSSES
from glam.models import MODELS
from glam.named import STORED, Chosen, Option, Signature, in_file, source

Write = Callable[..., Path]


class Things(Chosen):
    """Something of the user's, or `ours`."""

    kind: ClassVar[str] = "thing"
    ours: ClassVar[Mapping[str, str]] = {"ours": "glam.words:counted"}


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a file of the user's own."""

    def make(content: str, name: str = "mine.py") -> Path:
        path = tmp_path / name
        path.write_text(content)
        return path

    return make


def signature(path: Path, function: str = "mine") -> Signature:
    return source(f"{path}:{function}", {}, "thing").signature()


# --- signatures


def test_positional_parameters_are_given_and_keyword_only_ones_are_options(write: Write) -> None:
    path = write(
        "def mine(a, /, b, c=None, *, count: int = 3, rate: float = 1e-3, on: bool = True, word: str = 'x',\n"
        "    way: Literal['up', 'down'] = 'up', most: int | None = None, bare=-2, few: typing.Literal[1, 2] = 1): ...\n"
    )
    mine = signature(path)
    assert (mine.positional, mine.optional) == (("a", "b", "c"), frozenset("c"))
    assert mine.options == {
        "count": Option((int,), (), 3),
        "rate": Option((float,), (), 1e-3),
        "on": Option((bool,), (), True),
        "word": Option((str,), (), "x"),
        "way": Option((), ("up", "down"), "up"),
        "most": Option((int, type(None)), (), None),
        "bare": Option((int,), (), -2),
        "few": Option((), (1, 2), 1),
    }


def test_of_a_class_it_is_that_of_making_one(write: Write) -> None:
    path = write(
        "class mine:\n    def other(self, *, x: int = 1): ...\n    def __init__(self, a, b=1, *, width: int = 4): ...\n"
        "class bare:\n    pass\n"
    )
    assert signature(path) == Signature(("a", "b"), frozenset({"b"}), {"width": Option((int,), (), 4)})
    assert signature(path, "bare") == Signature((), frozenset(), {})


def test_nothing_is_run_to_read_it(write: Write) -> None:
    path = write("raise SystemExit\n\n\n@undefined\ndef mine(a: Undefined, *, width: int = 4) -> Nothing: ...\n")
    assert signature(path).options == {"width": Option((int,), (), 4)}


@pytest.mark.parametrize(
    "parameter",
    [
        "width: list = []",
        "width: Path = None",
        "width: int = 2 * 3",
        "width: int = other",
        "width: Optional[int] = None",
        "width: Literal[other] = 1",
        "width: 'int' = 1",
        "width: int",
        "width",
        "width=()",
        "width: int = {[]: 1}",
    ],
)
def test_an_option_that_cannot_be_set_is_named_with_its_line(write: Write, parameter: str) -> None:
    path = write(f"def mine(\n    a,\n    *,\n    {parameter},\n): ...\n")
    with pytest.raises(GlamError, match=re.escape(f"{path}, line 4: the option width must be an int")):
        signature(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("def other(): ...\nclass Another: ...\n", "has no 'mine'; it has other, Another"),
        ("mine = 3\n", "has no 'mine'; it has no function"),
        ("", "has no 'mine'; it has no function"),
        ("def mine(:\n", "is not Python (invalid syntax (mine.py, line 1))"),
        ("x = 'a\0b'\n", "is not Python ("),
        ("x = " + "[" * 5000, "is not Python ("),
        ("x = " + "-" * 100_000 + "1", "is not Python ("),
    ],
)
def test_a_file_without_the_function_is_named(write: Write, content: str, message: str) -> None:
    path = write(content)
    with pytest.raises(GlamError, match=re.escape(f"{path}: {message}")) as error:
        signature(path)
    assert len(str(error.value).splitlines()) == 1


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "none.py", tmp_path / "folder.py"):
        (tmp_path / "folder.py").mkdir(exist_ok=True)
        with pytest.raises(GlamError, match=re.escape(f"{path}: cannot be read (")):
            signature(path)


@pytest.mark.parametrize(
    ("ours", "name"),
    [(ours, name) for ours in (MODELS, INPUTS, LOSSES, CORPORA) for name in ours],
    ids=lambda given_name: given_name if isinstance(given_name, str) else "",
)
def test_of_the_package_s_own_what_is_read_is_what_there_is(ours: dict[str, str], name: str) -> None:
    """The signature in the source beside Python's own of what is imported."""
    where = source(name, ours, "thing")
    read, made = where.signature(), where.load()
    parameters = inspect.signature(made).parameters
    hints = get_type_hints(vars(made).get("__init__", object) if isinstance(made, type) else made)
    options = {n: p for n, p in parameters.items() if p.kind is p.KEYWORD_ONLY}
    positional = [p for n, p in parameters.items() if n not in options]
    assert read.positional == tuple(p.name for p in positional)
    assert read.optional == {p.name for p in positional if p.default is not p.empty}
    assert list(read.options) == list(options)
    for name_of_option, parameter in options.items():
        option, hint = read.options[name_of_option], hints[name_of_option]
        assert option.default == parameter.default
        assert (option.kinds or option.allowed) == ((hint,) if option.kinds else get_args(hint))
        assert option.checked(option.default) == option.default


VALUES = st.one_of(
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.text(st.characters(exclude_categories=["Cs"])),
    st.none(),
)
NAMES = st.from_regex(r"[a-z]{1,8}_x", fullmatch=True)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(defaults=st.dictionaries(NAMES, VALUES, max_size=6), annotated=st.booleans())
def test_whatever_the_defaults_are_they_are_read(write: Write, defaults: dict[str, Any], annotated: bool) -> None:
    kinds = {name: "None" if value is None else type(value).__name__ for name, value in defaults.items()}
    words = [f"{name}{f': {kinds[name]}' * annotated} = {value!r}" for name, value in defaults.items()]
    options = signature(write(f"def mine(a{', *, ' if words else ''}{', '.join(words)}): ...\n")).options
    assert list(options) == list(defaults)
    for name, value in defaults.items():
        assert options[name] == Option((type(value),), (), value)
        assert options[name].checked(value) == value


# --- values of options


@pytest.mark.parametrize(
    ("option", "value", "taken"),
    [
        (Option((float,), (), 1.0), 2, 2.0),
        (Option((int, float), (), 1), 2, 2),
        (Option((int, type(None)), (), None), 2, 2),
        (Option((int, type(None)), (), None), None, None),
        (Option((), ("up", "down"), "up"), "down", "down"),
        (Option((), (True, "auto"), "auto"), True, True),
        (Option((), (True, "auto"), "auto"), "auto", "auto"),
        (Option((int,), ("auto",), "auto"), 7, 7),
        (Option((int,), ("auto",), "auto"), "auto", "auto"),
        (Option((type(None),), ("up",), None), None, None),
    ],
)
def test_what_an_option_takes(option: Option, value: object, taken: object) -> None:
    checked = option.checked(value)
    assert checked == taken
    assert type(checked) is type(taken)


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        (Option((int,), (), 1), 2.0, "given 2.0, expected a whole number"),
        (Option((int,), (), 1), True, "given True, expected a whole number"),
        (Option((float,), (), 1.0), False, "given False, expected a number"),
        (Option((float,), (), 1.0), "1", "given '1', expected a number"),
        (Option((float,), (), 1.0), float("inf"), "given inf, expected a number"),
        (Option((float,), (), 1.0), float("nan"), "given nan, expected a number"),
        (Option((float,), (), 1.0), 10**400, "given inf, expected a number"),
        (Option((bool,), (), True), 1, "given 1, expected true or false"),
        (Option((str,), (), "a"), ["a"], "given ['a'], expected a word"),
        (Option((int, type(None)), (), None), "many", "given 'many', expected a whole number or null"),
        (Option((), ("up", "down"), "up"), "left", "given 'left', expected one of up, down"),
        (Option((), ("up", "down"), "up"), None, "given None, expected one of up, down"),
        (Option((), ("up", "down"), "up"), {}, "given {}, expected one of up, down"),
        (Option((), (1, 2), 1), True, "given True, expected one of 1, 2"),
        (Option((), (True, False), True), 1, "given 1, expected one of True, False"),
        (Option((int,), ("auto",), "auto"), "all", "given 'all', expected one of auto or a whole number"),
    ],
)
def test_what_an_option_does_not_take(option: Option, value: object, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        option.checked(value)


@given(value=VALUES | st.lists(st.integers()) | st.dictionaries(st.text(), st.integers()) | st.floats())
def test_whatever_is_given_is_taken_or_refused(value: object) -> None:
    """What is taken can be written down, and is taken again as it is."""
    for option in (
        Option((int,), (), 1),
        Option((float, type(None)), (), None),
        Option((bool, str), (), True),
        Option((), ("a", 1, True), 1),
        Option((float,), ("all",), "all"),
    ):
        try:
            taken = option.checked(value)
        except ValueError:
            continue
        assert option.checked(json.loads(json.dumps(taken, allow_nan=False))) == taken


# --- what is chosen


MINE = "def mine(a, *, width: int = 4, way: Literal['up', 'down'] = 'up', rate: float = 1): ...\n"


def chosen(path: Path, **options: object) -> Things:
    return Things.model_validate({"name": f"{path}:mine", **options})


def test_an_option_at_its_default_is_left_out(write: Write) -> None:
    path = write(MINE)
    assert chosen(path, width=4, way="up", rate=1.0) == chosen(path)
    assert chosen(path, width=5, way="down").options() == {"width": 5, "way": "down"}
    assert chosen(path, rate=2) == chosen(path, rate=2.0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"widht": 4},
            "the thing mine.py:mine has no option 'widht'. Did you mean 'width'? Its options are width, way",
        ),
        ({"width": "wide"}, "width: given 'wide', expected a whole number"),
        ({"a": 1}, "the thing mine.py:mine has no option 'a'. Its options are width, way, rate"),
    ],
)
def test_an_option_that_there_is_not_is_answered_with_those_there_are(
    write: Write, options: dict[str, object], message: str
) -> None:
    with pytest.raises(ValidationError, match=re.escape(message)):
        chosen(write(MINE), **options)


def test_what_there_is_not_is_answered_with_what_there_is() -> None:
    with pytest.raises(GlamError, match=r"there is no thing 'our'\. Did you mean 'ours'\? There are ours; one of your"):
        source("our", Things.ours, "thing")
    for name in ("mine.txt:f", "mine.py", ":f", ""):
        with pytest.raises(GlamError, match=f"there is no thing {name!r}"):
            source(name, Things.ours, "thing")


def test_a_file_of_the_user_s_is_identified_by_what_it_holds(write: Write, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    first, same = chosen(write(MINE), width=5), chosen(write(MINE, "elsewhere/mine.py"), width=5)
    assert first.name != same.name
    assert first.scientific() == same.scientific() == {"name": "mine.py:mine", "sha256": first.sha256, "width": 5}
    assert str(tmp_path) not in json.dumps(first.scientific())
    other = chosen(write(f"{MINE}\n# no more than a remark\n"), width=5)
    assert other.scientific() != first.scientific()
    assert first.sha256 is not None
    assert len(first.sha256) == 64
    assert (first.title, first.own_file) == ("mine.py:mine", tmp_path / "mine.py")
    ours = Things(name="ours")
    assert (ours.sha256, ours.own_file, ours.scientific()) == (None, None, {"name": "ours"})


def test_a_file_that_has_changed_since_is_refused(write: Write) -> None:
    path = write(MINE)
    recorded = chosen(path, width=5).model_dump(mode="json")
    again = Things.model_validate(recorded)
    assert again.options() == {"width": 5}
    again.check_file()
    write(f"{MINE}\n# a remark\n")
    message = re.escape(f"{path} is not the file that was recorded: it has been changed since")
    with pytest.raises(ValidationError, match=message):
        Things.model_validate(recorded)
    with pytest.raises(GlamError, match=message):
        again.check_file()


@pytest.mark.parametrize("content", [None, "def mine(: ...", "def mine(a): ...\n"])
def test_what_was_recorded_is_read_whatever_has_become_of_the_file(write: Write, content: str | None) -> None:
    path = write(MINE)
    recorded = chosen(path, width=5).model_dump(mode="json")
    path.unlink()
    if content is not None:
        write(content)
    again = Things.model_validate(recorded, context={STORED: True})
    assert again.model_dump(mode="json") == recorded
    assert (again.title, again.options()) == ("mine.py:mine", {"width": 5})
    Things.model_validate({"name": "none of ours", "x": 1}, context={STORED: True})


@given(options=st.fixed_dictionaries({}, optional={"width": st.integers(), "rate": st.floats(-1e9, 1e9)}))
def test_what_is_chosen_comes_back_from_what_was_recorded(
    options: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "chosen.py"
    path.write_text(MINE)
    first = chosen(path, **options)
    for context in (None, {STORED: True}):
        again = Things.model_validate(json.loads(first.model_dump_json()), context=context)
        assert again == first
        assert again.scientific() == first.scientific()


# --- files that are run


def test_a_file_is_run_once_and_of_one_name_each_its_own(write: Write, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    counting = "from pathlib import Path\n\n_beside = Path(__file__).with_suffix('.runs')\n"
    counting += "_beside.write_text(_beside.read_text() + 'x' if _beside.exists() else 'x')\n\n\n"
    first = write(f"{counting}def mine():\n    return 1\n")
    other = write(f"{counting}def mine():\n    return 2\n", "elsewhere/mine.py")
    for path, value in ((first, 1), (other, 2), (first, 1)):
        assert source(f"{path}:mine", {}, "thing").load()() == value
    assert (tmp_path / "mine.runs").read_text() == "x"
    assert (tmp_path / "elsewhere" / "mine.runs").read_text() == "x"
    link = tmp_path / "link.py"
    link.symlink_to(first)
    assert source(f"{link}:mine", {}, "thing").load() is source(f"{first}:mine", {}, "thing").load()


def test_ours_are_imported_as_they_are() -> None:
    where = source("ours", Things.ours, "thing")
    assert where.load()(2, "run") == "2 runs"
    assert where.path == Path(named.__file__).parent / "words.py"
    assert where.signature().positional == ("number", "noun")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("x = 1\ny = x / 0\ndef mine(): ...\n", "cannot be imported: line 2: ZeroDivisionError: division by zero"),
        ("import nowhere_at_all\n", "cannot be imported: line 1: ModuleNotFoundError: No module named"),
        ("import json\n\njson.loads('{')\n", "cannot be imported: line 3: JSONDecodeError: Expecting"),
        ("def mine(:\n", "cannot be imported: line 1: SyntaxError: invalid syntax"),
        ("import sys\n\nsys.exit('usage')\n", "cannot be imported: line 3: SystemExit: usage"),
        ("raise ValueError('two\\nlines')\n", "cannot be imported: line 1: ValueError: two lines"),
        ("def mine(): ...\n\n\ndel mine\n", "has no 'mine'"),
    ],
)
def test_what_goes_wrong_in_a_file_is_named_with_its_line(write: Write, content: str, message: str) -> None:
    path = write(content)
    before = set(sys.modules)
    for _ in range(2):  # nothing half imported is left
        with pytest.raises(GlamError, match=re.escape(f"{path}: {message}")) as error:
            source(f"{path}:mine", {}, "thing").load()
        assert len(str(error.value).splitlines()) == 1
    if "has no" not in message:
        assert not {name for name in set(sys.modules) - before if name.startswith("glam_own_")}


def test_an_error_within_a_function_is_where_the_file_was_last(write: Write) -> None:
    path = write("def deeper(x):\n    return [1][x]\n\n\ndef mine(x):\n    return deeper(x)\n")
    with pytest.raises(IndexError) as error:
        source(f"{path}:mine", {}, "thing").load()(7)
    assert in_file(error.value, path) == "line 2: IndexError: list index out of range"
    assert in_file(error.value, None) == "IndexError: list index out of range"
    assert in_file(error.value, path.with_name("other.py")) == "IndexError: list index out of range"
