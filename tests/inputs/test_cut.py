"""Where segments lie: the release's hops, the counts of the corpus, a plain loop as the reference; whole utterances."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from glam.inputs.cut import PARTS, AnyCut, Padding, Segments, Whole

samples = st.integers(1, 100_000)
lengths = st.integers(1, 40_000)
hops = st.integers(1, 20_000)


def segments(length: int, hop: int = 1, padding: Padding = "none") -> Segments:
    """Segments of so many samples."""
    cut = Segments(name="segments", length=(length + 0.5) / 16_000, train_hop=hop, test_hop=hop, padding=padding)
    assert cut.samples == length
    return cut


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, (28800, 3199, 3199)),  # in floating point, (1.8 - 1.6) * 16000 is less than 3200
        ({"length": 2}, (32000, 6399, 6399)),
        ({"length": 2, "train_overlap": 1.0}, (32000, 16000, 6399)),
        ({"length": 1.5, "train_overlap": 0}, (24000, 24000, 12000)),  # test overlap >= length: half of it
        ({"length": 1.6, "train_overlap": 1}, (25600, 9600, 12800)),
        ({"length": 2, "train_hop": 6400, "test_hop": 8000}, (32000, 6400, 8000)),  # said in samples, to the sample
        ({"length": 1.5, "train_hop": 100}, (24000, 100, 12000)),
    ],
)
def test_lengths_and_hops_are_the_releases(settings: dict[str, float], expected: tuple[int, int, int]) -> None:
    cut = Segments.model_validate({"name": "segments", **settings})
    assert (cut.samples, cut.hop("train"), cut.hop("test")) == expected


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"length": 1.6}, "train_overlap is 1.6 s, the segments are 1.6 s long"),
        ({"length": 2, "train_overlap": 2.5}, "must be shorter than a segment"),
        ({"length": 1.8, "train_overlap": 1.79999}, "less than one sample"),
        ({"length": 0}, "length"),
        ({"length": float("nan")}, "length"),
        ({"length": float("inf")}, "length"),
        ({"test_overlap": -0.1}, "test_overlap"),
        ({"padding": "zeros"}, "padding"),
        ({"overlap": 1.6}, "overlap"),
        ({"train_hop": 0}, "train_hop"),
        ({"train_hop": 1600, "train_overlap": 1.0}, "train_hop and train_overlap say the same in two ways"),
        ({"test_hop": 1600, "test_overlap": 1.0}, "test_hop and test_overlap say the same in two ways"),
        ({"train_hop": True}, "true, which is no value of this field"),
    ],
)
def test_settings_that_make_no_sense_are_named(wrong: dict[str, Any], named: str) -> None:
    with pytest.raises(ValidationError, match=named):
        Segments.model_validate({"name": "segments", **wrong})


@given(samples, lengths, hops)
def test_starts_are_those_of_a_plain_loop(n: int, length: int, hop: int) -> None:
    expected = []
    start = 0
    while start + length <= n:
        expected.append(start)
        start += hop
    cut = segments(length, hop)
    for part in PARTS:
        starts = cut.starts(n, part)
        assert starts.dtype == np.int64
        assert starts.tolist() == expected
        assert cut.rows(n, part) == len(expected)


@given(samples, lengths)
def test_repetition_is_a_whole_number_of_times_and_no_more_than_needed(n: int, length: int) -> None:
    repeat, none = segments(length, padding="repeat"), segments(length)
    padded = repeat.padded(n)
    assert padded % n == 0
    assert padded >= length
    assert padded == n or padded - n < length
    assert repeat.keeps(n)
    assert none.padded(n) == n
    assert none.keeps(n) == (n >= length) == bool(none.rows(n, "train"))
    assert repeat.rows(n, "train") == padded - length + 1


def test_an_utterance_one_sample_short_is_dropped_or_repeated() -> None:
    none = Segments(name="segments")
    repeat = Segments(name="segments", padding="repeat")
    assert none.keeps(28800)
    assert not none.keeps(28799)
    assert not repeat.keeps(0)
    assert repeat.padded(28_000) == 56_000
    assert none.rows(56_000, "train") == 9
    assert repeat.rows(28_000, "train") == 9


@given(samples, st.floats(0.01, 10))
def test_whole_utterances_are_a_row_each_whatever_their_length(n: int, longest: float) -> None:
    cut = Whole(name="whole", longest=longest)
    assert cut.samples == int(longest * 16_000)
    assert cut.keeps(n)
    assert [cut.rows(n, part) for part in PARTS] == [1, 1]
    assert not cut.keeps(0)


@pytest.mark.parametrize("longest", [0, -1, float("nan"), float("inf")])
def test_a_longest_that_is_none_is_refused(longest: float) -> None:
    with pytest.raises(ValidationError, match="longest"):
        Whole(name="whole", longest=longest)


def test_cuts_are_told_apart_by_name() -> None:
    adapter: TypeAdapter[Segments | Whole] = TypeAdapter(AnyCut)
    assert adapter.validate_python({"length": 2}) == Segments(name="segments", length=2)
    assert adapter.validate_python("whole") == Whole(name="whole")
    assert adapter.validate_python({"name": "whole", "longest": 4}) == Whole(name="whole", longest=4)
    with pytest.raises(ValidationError, match="'segments', 'whole'"):
        adapter.validate_python("halves")
    with pytest.raises(ValidationError, match="length"):  # an option of the other
        adapter.validate_python({"name": "whole", "length": 2})
    assert [adapter.validate_python(cut).title for cut in ({"length": 2}, "whole")] == [
        "segments of 2 s",
        "whole utterances of up to 7.5 s",
    ]


FOUR = {"neu": 0, "exc": 1, "sad": 2, "ang": 3}
FIVE = FOUR | {"hap": 1}
GLAM, SHALLOW = Segments(name="segments"), Segments(name="segments", length=2, train_overlap=1.0)
PAPER = Segments(name="segments", length=2)


@pytest.mark.parity
@pytest.mark.parametrize(
    ("cut", "labels", "style", "utterances", "classes", "counts"),
    [
        (GLAM, FOUR, "impro", 2236, [883, 530, 557, 266], (34_739, 34_739)),
        (GLAM, FOUR, "script", 2075, [534, 364, 447, 730], (37_082, 37_082)),
        (GLAM, FOUR, "", 4311, [1417, 894, 1004, 996], (71_821, 71_821)),
        (SHALLOW, FOUR, "impro", 2118, [834, 492, 535, 257], (7_392, 16_807)),
        (SHALLOW, FOUR, "script", 1966, [486, 357, 432, 691], (7_839, 18_006)),
        (SHALLOW, FOUR, "", 4084, [1320, 849, 967, 948], (15_231, 34_813)),
        (PAPER, FIVE, "impro", 2338, [834, 712, 535, 257], (18_511, 18_511)),
        (PAPER, FIVE, "script", 2253, [486, 644, 432, 691], (20_132, 20_132)),
        (PAPER, FIVE, "", 4591, [1320, 1356, 967, 948], (38_643, 38_643)),
    ],
)
def test_counts_of_iemocap(
    cut: Segments,
    labels: dict[str, int],
    style: str,
    utterances: int,
    classes: list[int],
    counts: tuple[int, int],
    shared: Path,
) -> None:
    with (shared / "corpora" / "iemocap-index.csv").open(newline="") as file:
        rows = [
            (labels[row["label"]], int(row["samples"]))
            for row in csv.DictReader(file)
            if row["label"] in labels and style in row["utterance"]
        ]
    kept = [(label, n) for label, n in rows if cut.keeps(n)]
    counted = tuple(sum(cut.rows(n, part) for _, n in kept) for part in PARTS)
    assert len(kept) == utterances
    assert np.bincount([label for label, _ in kept]).tolist() == classes
    assert counted == counts
