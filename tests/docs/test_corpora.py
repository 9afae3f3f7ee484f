"""docs/corpora.md names every corpus, says of each what was seen of it, and shows what works."""

import re
from pathlib import Path

from corpora.recordings import record

from glam.corpora import load_corpus
from glam.corpora.scheme import scheme, scheme_names
from glam.corpora.table import USUAL

TEXT = (Path(__file__).resolve().parent.parent.parent / "docs" / "corpora.md").read_text(encoding="utf-8")


def test_the_page_says_of_every_corpus_whether_real_files_were_seen() -> None:
    rows = re.findall(r"^\| `([\w-]+)` \|.*\| ([^|]*) \|$", TEXT, re.MULTILINE)
    assert {name for name, _ in rows} == set(scheme_names())
    assert {name for name, seen in rows if seen != "nothing"} == {name for name in scheme_names() if scheme(name).seen}


def test_the_scheme_on_the_page_is_one(tmp_path: Path) -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
    (tmp_path / "lab.yaml").write_text(text)
    root = record(tmp_path / "lab", ["f1_a_1.wav", "m2_h_1.wav"])
    corpus = load_corpus(str(tmp_path / "lab.yaml"), root, tmp_path / "index")
    assert [(u.speaker, u.label, u.groups) for u in corpus.utterances] == [
        ("f1", "anger", {"gender": "female", "text": "1", "folds": "1"}),
        ("m2", "happiness", {"gender": "male", "text": "1", "folds": "2"}),
    ]
    assert corpus.release == "INCOMPLETE: 2 of 900 utterances"


def test_what_columns_are_called_is_so() -> None:
    known = {word for words in USUAL.values() for word in words}
    rows = re.findall(r"^\| (?:file|emotion|speaker|words|id|original).*? \| (.*?) \|$", TEXT, re.MULTILINE)
    assert len(rows) == 6
    for row in rows:
        for word in re.split(r"[,:;] ?", row.partition(": the")[0]):
            assert not word.strip(" .") or word.strip().casefold() in known, word
