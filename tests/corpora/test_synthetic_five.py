"""The corpus of five classes: its shape is ST-EMO's, and nothing but the voice gives a label away."""

from collections import Counter, defaultdict
from itertools import islice
from pathlib import Path

import pytest

from glam.corpora import CORPORA, load_corpus, synthetic_five
from glam.corpora.made import MADE, SYNTHETIC_MARK, make
from glam.corpora.synthetic import EMOTIONS
from glam.corpora.synthetic_five import CLASSES, SPEAKERS, TIMES, Row, plan
from glam.errors import GlamError


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return list(plan())


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """A corpus of four utterances, for tests of how it is written."""
    monkeypatch.setattr(synthetic_five, "plan", lambda: islice(plan(), 0, 12, 3))


def test_every_speaker_speaks_in_every_class_and_part(rows: list[Row]) -> None:
    assert len({row.file for row in rows}) == len(rows) == 700
    assert Counter(speaker[-1] for speaker in SPEAKERS) == {"F": 10, "M": 10}
    counts = Counter((row.turn.speaker, row.emotion, row.part) for row in rows)
    assert counts == {(s, e, part): n for s in SPEAKERS for e in CLASSES for part, n in TIMES.items()}
    lengths = sorted(row.turn.samples for row in rows)
    assert lengths[0] >= 14_400
    assert lengths[-1] <= 128_000
    assert sum(length >= 32_000 for length in lengths) > 0.7 * len(rows)  # long enough for a segment of 2 s


def test_words_of_the_independent_part_tell_nothing_and_those_of_the_dependent_part_do(rows: list[Row]) -> None:
    def shares(part: str) -> dict[str, float]:
        """Of each class, the share of words that suit it alone."""
        spoken: dict[str, list[str]] = defaultdict(list)
        for row in rows:
            if row.part == part:
                spoken[row.emotion] += row.turn.words.rstrip(".").lower().split()
        return {
            emotion: sum(word in EMOTIONS[CLASSES[emotion]].words.split() for word in words) / len(words)
            for emotion, words in spoken.items()
        }

    assert max(shares("independent").values()) == 0
    assert min(shares("dependent").values()) > 0.05


def test_it_lies_with_a_table_and_is_read_by_it(few: None, tmp_path: Path) -> None:
    root = tmp_path / "five"
    make("synthetic-five", root)
    assert sorted(path.name for path in root.iterdir()) == [SYNTHETIC_MARK, "metadata.csv", "wav"]
    corpus = load_corpus("synthetic-five", root, tmp_path / "index")
    assert corpus.synthetic
    assert corpus.problems == ()
    assert [u.id for u in corpus.utterances] == sorted(u.id for u in corpus.utterances)
    first = corpus.utterances[0]
    assert (first.id, first.label, first.speaker) == ("S01F-independent-angry-1", "angry", "S01F")
    assert first.groups == {"gender": "female", "part": "independent"}
    assert first.words.endswith(".")
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    make("synthetic-five", root)
    assert before == {path: path.stat().st_mtime_ns for path in root.rglob("*")}


def test_one_synthetic_corpus_is_not_taken_for_another(few: None, tmp_path: Path) -> None:
    make("synthetic-five", tmp_path / "five")
    with pytest.raises(GlamError, match="holds a synthetic corpus of another version"):
        make("synthetic", tmp_path / "five")


def test_a_damaged_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(GlamError, match=r"metadata\.csv: cannot be read as the table"):
        load_corpus("synthetic-five", tmp_path, tmp_path / "index")
    (tmp_path / "metadata.csv").write_text("file,emotion\na.wav,sad\n")
    with pytest.raises(GlamError, match=r"cannot be read as the table of the synthetic corpus \('speaker'\)"):
        load_corpus("synthetic-five", tmp_path, tmp_path.parent / "index")


def test_every_made_corpus_can_be_read() -> None:
    assert set(MADE) <= set(CORPORA)
