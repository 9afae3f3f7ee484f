"""A corpus whose files are named by a scheme, as data: what its names mean, and what the release is known to hold.

One YAML file of `schemes/` is one corpus; a file of the user's own is one, too (`--corpus mine.yaml`).
"""

import re
import string
from collections.abc import Mapping
from contextlib import suppress
from functools import cache, cached_property
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from glam.errors import GlamError
from glam.settings import Settings
from glam.yaml_file import read_mapping

FOLDER = Path(__file__).parent / "schemes"
REST = "rest"  # in a division: all speakers that no other part names
STEM = "stem"  # the field that every file has: its name without the ending


def _texts(value: Any) -> Any:
    """Codes as text: 03 and 10 are both names, whatever YAML takes them for."""
    return tuple(str(item) for item in value) if isinstance(value, list | tuple) else (str(value),)


Texts = Annotated[tuple[str, ...], BeforeValidator(_texts)]
Codes = Mapping[str, Texts]


class Release(Settings):
    """What is known of a release, or of a copy that circulates.

    utterances: files. labels: of each label, of the label set `label_set` (empty: the first). speakers: files of each,
    where they differ; of_each_speaker: where all have as many.
    """

    name: str = ""
    utterances: int
    labels: dict[str, int] = Field(default_factory=dict)
    label_set: str = ""
    speakers: dict[str, int] = Field(default_factory=dict)
    number_of_speakers: int = 0
    of_each_speaker: int = 0


class TableOf(Settings):
    """A file of the corpus with more about its utterances.

    files: patterns of where it may lie; the first that is there counts, or every one. key: a template over its columns,
    and of: one over the fields of an audio file; where both give the same, the row is the file's. fields: field ->
    column. columns: their names, where the file has no heading. lines: a regular expression with the columns as groups,
    where it is no table. needed: whether nothing can be used without it.
    """

    files: tuple[str, ...]
    key: str
    of: str = "{stem}"
    fields: dict[str, str]
    columns: tuple[str, ...] = ()
    lines: str = ""
    encodings: tuple[str, ...] = ("utf-8-sig", "cp1252")
    every: bool = False
    needed: bool = False


class Scheme(Settings):
    """A corpus whose files are named by a scheme.

    seen: of which part this project has read real files; empty for none. rate: of the release, in Hz. pattern: a
    regular expression, upper and lower case alike, for the end of a file's path without its ending; its groups are the
    file's fields. made: field -> template over the fields. codes: field -> what a value means -> how it is written;
    any other value is a problem. label_sets: name -> field that holds the label. without_label: labels that are none.
    id, speaker, groups: templates over the fields, codes replaced. words: ending of the file beside the recording that
    holds its words. divisions: name -> part or fold -> speakers; each becomes a group of that name.
    """

    title: str
    language: str = ""
    licence: str = ""
    seen: str = ""
    rate: int = 0
    pattern: str
    made: dict[str, str] = Field(default_factory=dict)
    codes: dict[str, Codes] = Field(default_factory=dict)
    label_sets: dict[str, str] = Field(default_factory=lambda: {"label": "label"})
    without_label: tuple[str, ...] = ()
    id: str = "{stem}"
    speaker: str = "{speaker}"
    words: str = ""
    groups: dict[str, str] = Field(default_factory=dict)
    ratings: tuple[str, ...] = ()
    tables: tuple[TableOf, ...] = ()
    releases: tuple[Release, ...] = ()
    divisions: dict[str, Codes] = Field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _groups_by_name(cls, settings: Any) -> Any:
        groups = settings.get("groups") if isinstance(settings, dict) else None
        if isinstance(groups, list | tuple):
            settings = settings | {"groups": {name: f"{{{name}}}" for name in groups}}
        return settings

    @model_validator(mode="after")
    def _fields_exist(self) -> Self:
        try:
            known = {STEM, *self.regex.groupindex}
            columns = [set(re.compile(table.lines).groupindex) or set(table.columns) for table in self.tables]
        except re.error as error:
            raise ValueError(f"is no regular expression: {error}") from None
        for table, named in zip(self.tables, columns, strict=True):
            if named and (absent := sorted({*table.fields.values(), *_fields(table.key)} - named)):
                raise ValueError(f"tables: no column {', '.join(absent)}: the columns are {', '.join(sorted(named))}")
        known |= {field for table in self.tables for field in table.fields} | set(self.made)
        templates = [self.id, self.speaker, *self.groups.values(), *self.made.values()]
        templates += [table.of for table in self.tables]
        asked = {field for template in templates for field in _fields(template)}
        asked |= {*self.label_sets.values(), *self.codes, *self.ratings}
        if missing := sorted(asked - known):
            raise ValueError(f"no field {', '.join(missing)}: the fields are {', '.join(sorted(known))}")
        if other := [release.label_set for release in self.releases if release.label_set not in ("", *self.label_sets)]:
            raise ValueError(f"releases: no label set {other[0]}: there are {', '.join(self.label_sets)}")
        return self

    @cached_property
    def regex(self) -> re.Pattern[str]:
        """The pattern, for the end of a path."""
        return re.compile(rf"(?:^|/)(?:{self.pattern})$", re.IGNORECASE)

    @cached_property
    def meaning(self) -> Mapping[str, Mapping[str, str]]:
        """Field -> how a value is written, in small letters -> what it means."""
        return {
            field: {code.casefold(): word for word, codes in words.items() for code in codes}
            for field, words in self.codes.items()
        }

    def label_field(self, label_set: str) -> str:
        """The field that holds the label; GlamError where there is no such label set. label_set: '' for the first."""
        if not label_set:
            return next(iter(self.label_sets.values()))
        if label_set not in self.label_sets:
            raise GlamError(
                f"corpus.label_set: {self.title} has no label set {label_set!r}; it has {', '.join(self.label_sets)}"
            )
        return self.label_sets[label_set]

    def divided(self, speaker: str) -> dict[str, str]:
        """The part or fold that a speaker is in, of each division."""
        parts = {}
        for name, division in self.divisions.items():
            rest = [part for part, speakers in division.items() if speakers == (REST,)]
            parts[name] = next((part for part, speakers in division.items() if speaker in speakers), (rest or [""])[0])
        return {name: part for name, part in parts.items() if part}


def _fields(template: str) -> list[str]:
    try:
        return [name for _, name, _, _ in string.Formatter().parse(template) if name is not None]
    except ValueError as error:
        raise ValueError(
            f"{template!r} is no template ({error}); expected one such as '{{speaker}}_{{text}}'"
        ) from None


def filled(template: str, fields: Mapping[str, str]) -> str:
    """The template with the fields of one file; empty where it asks for one that the file lacks."""
    return template.format_map(fields) if all(name in fields for name in _fields(template)) else ""


def scheme_names() -> tuple[str, ...]:
    """The corpora that come with the package as a scheme."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.yaml")))


def read_scheme(path: Path) -> Scheme:
    """The scheme in that file; GlamError where it is none, with the field."""
    content = b""
    with suppress(OSError):  # whoever reads the fields says so
        content = path.read_bytes()
    return _scheme(path, content)  # a notebook may edit the file and go on


@cache
def _scheme(path: Path, _content: bytes) -> Scheme:
    try:
        return Scheme.model_validate(read_mapping(path, "corpus scheme"))
    except ValidationError as error:
        details = [f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors(include_url=False)]
        raise GlamError(f"{path}: is no scheme of a corpus: {'; '.join(details)[:600]}") from None


def scheme(name: str) -> Scheme:
    """The scheme of the package that is called so."""
    return read_scheme(FOLDER / f"{name}.yaml")
