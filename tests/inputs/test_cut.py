"""Where segments lie: the release's hops, the counts of the corpus, and a plain loop as the reference."""

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from glam.inputs.cut import SegmentSettings, long_enough, padded_length, segment_starts

samples = st.integers(1, 100_000)
lengths = st.integers(1, 40_000)
hops = st.integers(1, 20_000)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (SegmentSettings(), (28800, 3199, 3199)),  # in floating point, (1.8 - 1.6) * 16000 is less than 3200
        (SegmentSettings(length=2), (32000, 6399, 6399)),
        (SegmentSettings(length=2, train_overlap=1.0), (32000, 16000, 6399)),
        (SegmentSettings(length=1.5, train_overlap=0), (24000, 24000, 12000)),  # test overlap >= length: half of it
        (SegmentSettings(length=1.6, train_overlap=1), (25600, 9600, 12800)),
    ],
)
def test_lengths_and_hops_are_the_releases(settings: SegmentSettings, expected: tuple[int, int, int]) -> None:
    assert (settings.samples, settings.train_hop, settings.test_hop) == expected


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
    ],
)
def test_settings_that_make_no_sense_are_named(wrong: dict[str, float], named: str) -> None:
    with pytest.raises(ValidationError, match=named):
        SegmentSettings(**wrong)


@given(samples, lengths, hops)
def test_starts_are_those_of_a_plain_loop(n: int, length: int, hop: int) -> None:
    expected = []
    start = 0
    while start + length <= n:
        expected.append(start)
        start += hop
    starts = segment_starts(n, length, hop)
    assert starts.dtype == np.int64
    assert starts.tolist() == expected


@given(samples, lengths)
def test_repetition_is_a_whole_number_of_times_and_no_more_than_needed(n: int, length: int) -> None:
    padded = padded_length(n, length, "repeat")
    assert padded % n == 0
    assert padded >= length
    assert padded == n or padded - n < length
    assert long_enough(n, length, "repeat")
    assert padded_length(n, length, "none") == n
    assert long_enough(n, length, "none") == (n >= length) == bool(len(segment_starts(n, length, 1)))


def test_an_utterance_one_sample_short_is_dropped_or_repeated() -> None:
    assert long_enough(28800, 28800, "none")
    assert not long_enough(28799, 28800, "none")
    assert not long_enough(0, 28800, "repeat")
    assert padded_length(28_000, 28_800, "repeat") == 56_000
    assert len(segment_starts(56_000, 28_800, 3199)) == 9


FOUR = {"neu": 0, "exc": 1, "sad": 2, "ang": 3}
FIVE = FOUR | {"hap": 1}
GLAM, SHALLOW = SegmentSettings(), SegmentSettings(length=2, train_overlap=1.0)
PAPER = SegmentSettings(length=2)


@pytest.mark.parity
@pytest.mark.parametrize(
    ("settings", "labels", "style", "utterances", "classes", "segments"),
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
    settings: SegmentSettings,
    labels: dict[str, int],
    style: str,
    utterances: int,
    classes: list[int],
    segments: tuple[int, int],
    shared: Path,
) -> None:
    with (shared / "corpora" / "iemocap-index.csv").open(newline="") as file:
        rows = [
            (labels[row["label"]], int(row["samples"]))
            for row in csv.DictReader(file)
            if row["label"] in labels and style in row["utterance"]
        ]
    kept = [(label, n) for label, n in rows if long_enough(n, settings.samples, settings.padding)]
    counted = tuple(
        sum(len(segment_starts(n, settings.samples, hop)) for _, n in kept)
        for hop in (settings.train_hop, settings.test_hop)
    )
    assert len(kept) == utterances
    assert np.bincount([label for label, _ in kept]).tolist() == classes
    assert counted == segments
