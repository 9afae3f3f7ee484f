from pathlib import Path

import pytest

from glam.errors import GlamError
from glam.yaml_file import read_mapping


def read(folder: Path, text: str) -> dict[str, object]:
    path = folder / "mine.yaml"
    path.write_text(text)
    return read_mapping(path, "paper")


def test_values_are_what_people_mean(tmp_path: Path) -> None:
    text = "a: 1e-4\nb: yes\nc: true\nd: 2026-01-02\ne: 017\nf: -3\ng: .5\nh: 1_000\n"
    assert list(read(tmp_path, text).values()) == [1e-4, "yes", True, "2026-01-02", "017", -3, 0.5, "1_000"]


def test_a_field_is_called_by_its_text(tmp_path: Path) -> None:
    assert read(tmp_path, "tables: {1: a, 1.0: b, true: c, ~: d}") == {
        "tables": {"1": "a", "1.0": "b", "true": "c", "~": "d"}
    }


def test_an_empty_file_has_no_fields(tmp_path: Path) -> None:
    assert read(tmp_path, "# nothing\n") == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rows: {GLAM: 1, GLAM: 2}", "not a paper in YAML: the field 'GLAM' is there twice"),
        ("{[1, 2]: 3}", "not a paper in YAML: the name of a field is not a word"),
        ("a: b: c", "not a paper in YAML: mapping values are not allowed here"),
        ("- a", "expected sections with fields, found list"),
    ],
)
def test_what_is_no_file_of_fields_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(GlamError, match=rf"mine\.yaml: {message}") as refusal:
        read(tmp_path, text)
    assert "\n" not in str(refusal.value)


def test_no_file_and_no_text_are_told(tmp_path: Path) -> None:
    with pytest.raises(GlamError, match=r"none\.yaml: there is no such recipe file"):
        read_mapping(tmp_path / "none.yaml", "recipe")
    with pytest.raises(GlamError, match=r"cannot be read"):
        read_mapping(tmp_path, "recipe")
