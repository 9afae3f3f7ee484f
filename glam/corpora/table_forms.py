"""What lies beside a table in the forms of others and completes it: EmoBox's label map and folds, audformat's files."""

import json
import re
from collections.abc import Mapping
from pathlib import Path

from glam.corpora.rows import JSON_LINES, Row, Rows, read_rows
from glam.errors import GlamError
from glam.yaml_file import read_mapping

EMOBOX = {"key", "dataset", "wav", "emo"}  # the columns of its lists
LABEL_MAP = "label_map.json"
AUDFORMAT_HEADER = "db.yaml"


def with_neighbours(path: Path, rows: Rows) -> Rows:
    """The rows of a table, with what the files beside it add. Raises GlamError where one of these cannot be read."""
    if path.suffix.lower() in JSON_LINES and set(rows.columns) >= EMOBOX:
        return _emobox(path, rows)
    if path.name.startswith("db.") and "file" in rows.columns:
        return _audformat(path, rows)
    return rows


def _emobox(path: Path, rows: Rows) -> Rows:
    """EmoBox: labels are written out by label_map.json; the lists fold_<k>/*test*.jsonl say which fold tests a key."""
    meaning: Mapping[str, str] = {}
    for place in (path.parent / LABEL_MAP, path.parent.parent / LABEL_MAP):
        if place.is_file():
            meaning = _label_map(place)
            break
    fold_of: dict[str, str] = {}
    for listed in sorted(path.parent.glob("fold_*/*test*.jsonl")):
        if match := re.fullmatch(r"fold_(\d+)", listed.parent.name):
            fold_of |= {row.cells["key"]: match[1] for row in read_rows(listed).rows if "key" in row.cells}
    completed = []
    for row in rows.rows:
        cells = dict(row.cells)
        if "emo" in cells:
            cells["emo"] = meaning.get(cells["emo"], cells["emo"])
        if fold := fold_of.get(cells.get("key", "")):
            cells["fold"] = fold
        completed.append(Row(row.number, cells))
    return Rows((*rows.columns, *(["fold"] if fold_of and "fold" not in rows.columns else [])), tuple(completed))


def _label_map(path: Path) -> dict[str, str]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise GlamError(f"{path}: cannot be read as JSON ({error})") from None
    if not isinstance(content, dict):
        raise GlamError(f"{path}: expected an object of labels, found {type(content).__name__}")
    return {str(code): str(label) for code, label in content.items()}


def _audformat(path: Path, rows: Rows) -> Rows:
    """audformat: db.files.csv has what is of a whole file, and db.yaml what is known of a speaker."""
    more: dict[str, dict[str, str]] = {}
    added: dict[str, None] = {}
    files = path.with_name("db.files.csv")
    if files != path and files.is_file():
        table = read_rows(files)
        added |= dict.fromkeys(column for column in table.columns if column not in rows.columns)
        more = {row.cells["file"]: row.cells for row in table.rows if "file" in row.cells}
    speakers = _speakers(path.with_name(AUDFORMAT_HEADER))
    known = {name for about in speakers.values() for name in about}
    added |= dict.fromkeys(sorted(name for name in known if name not in rows.columns))
    completed = []
    for row in rows.rows:
        cells = more.get(row.cells.get("file", ""), {}) | row.cells
        completed.append(Row(row.number, speakers.get(cells.get("speaker", ""), {}) | cells))
    return Rows((*rows.columns, *added), tuple(completed))


def _speakers(path: Path) -> dict[str, dict[str, str]]:
    if not path.is_file():
        return {}
    schemes = read_mapping(path, "audformat header").get("schemes")
    speaker = schemes.get("speaker") if isinstance(schemes, dict) else None
    labels = speaker.get("labels") if isinstance(speaker, dict) else None
    if not isinstance(labels, dict):
        return {}
    return {
        str(name): {str(key): str(value) for key, value in about.items() if isinstance(value, str | int | float)}
        for name, about in labels.items()
        if isinstance(about, dict)
    }
