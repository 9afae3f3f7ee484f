"""Schemes of names as data: those of the package, and what a file of the user's own can get wrong."""

from pathlib import Path

import pytest
from corpora.recordings import record

from glam.corpora import load_corpus
from glam.corpora.scheme import FOLDER, read_scheme, scheme, scheme_names
from glam.errors import GlamError

NAMED = "title: x\npattern: '(?P<label>x)(?P<speaker>y)'\n"


@pytest.mark.parametrize("name", scheme_names())
def test_what_is_known_of_a_release_adds_up(name: str) -> None:
    of_corpus = scheme(name)
    meant = {word for field in of_corpus.label_sets.values() for word in of_corpus.codes[field]}
    assert of_corpus.releases
    for release in of_corpus.releases:
        assert not release.labels or sum(release.labels.values()) == release.utterances
        assert not release.speakers or sum(release.speakers.values()) == release.utterances
        assert set(release.labels) <= meant
        if release.of_each_speaker:
            assert release.of_each_speaker * release.number_of_speakers == release.utterances
    for division in of_corpus.divisions.values():
        speakers = [speaker for part in division.values() for speaker in part]
        assert len(speakers) == len(set(speakers))


def test_a_scheme_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "lab.yaml"
    path.write_text("title: Our lab\npattern: '(?P<speaker>s\\d+)-(?P<label>\\w+)-(?P<n>\\d+)'\ngroups: [n]\n")
    root = record(tmp_path / "lab", ["s1-glad-1.wav", "s2-cross-1.wav"])
    corpus = load_corpus(str(path), root, tmp_path / "index")
    assert [(u.label, u.speaker, u.groups) for u in corpus.utterances] == [
        ("glad", "s1", {"n": "1"}),
        ("cross", "s2", {"n": "1"}),
    ]


def test_a_column_that_a_table_of_the_corpus_lacks_is_noted(tmp_path: Path) -> None:
    path = tmp_path / "lab.yaml"
    path.write_text(
        "title: Our lab\npattern: '(?P<speaker>s\\d+)-(?P<label>\\w+)'\n"
        "tables: [{files: [people.csv], key: '{who}', of: '{speaker}', fields: {age: years, gender: sex}}]\n"
    )
    root = record(tmp_path / "lab", ["s1-glad.wav", "s2-cross.wav"])
    (root / "people.csv").write_text("who,sex\ns1,f\ns2,m\n")
    corpus = load_corpus(str(path), root, tmp_path / "index")
    assert "people.csv has no column years: age not known" in corpus.notes


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("title: x\n", "pattern: Field required"),
        ("title: x\npattern: '('\n", "is no regular expression"),
        ("title: x\npattern: '(?P<label>x)'\n", r"no field speaker: the fields are label, stem"),
        ("title: x\npattern: '(?P<label>x)(?P<speaker>y)'\nid: '{a'\n", "is no template"),
        ("title: x\npatern: y\n", "patern: Extra inputs"),
        (NAMED + "codes: {lable: {glad: g}}\n", "no field lable: the fields are label, speaker, stem"),
        (NAMED + "ratings: [valence]\n", "no field valence"),
        (NAMED + "releases: [{utterances: 2, label_set: voice}]\n", "releases: no label set voice: there are label"),
        (NAMED + "tables: [{files: [a], key: '{n}', columns: [n], fields: {age: years}}]\n", "tables: no column years"),
        (NAMED + "tables: [{files: [a], key: '{m}', lines: '(?P<n>x)', fields: {}}]\n", "tables: no column m"),
    ],
)
def test_what_is_no_scheme(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(text)
    with pytest.raises(GlamError, match=message):
        read_scheme(path)


def test_a_scheme_that_is_edited_is_read_again(tmp_path: Path) -> None:
    """In one process, as a notebook is: its hash, which is the experiment's, is that of the file as it is now."""
    path = tmp_path / "own.yaml"
    for title in ("first", "second"):
        path.write_text(f"title: {title}\npattern: '(?P<label>[a-z]+)'\nspeaker: '{{label}}'\n")
        assert read_scheme(path).title == title


def test_schemes_come_with_the_package() -> None:
    assert len(list(FOLDER.glob("*.yaml"))) == len(scheme_names()) >= 20
