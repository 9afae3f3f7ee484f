"""The raters' votes on a population as distributions over its classes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from glam.corpora.utterances import Corpus, Utterance
from glam.corpora.votes import votes_on
from glam.errors import GlamError
from glam.inputs.cut import Segments
from glam.splits.population import RATERS, CorpusSettings, Population, population
from glam.splits.votes import votes_of

LABELS = {"neutral": ("neu",), "angry": ("ang", "fru")}


def people_of(tmp_path: Path, *votes: tuple[str, ...]) -> Population:
    """A population of one utterance of each class, and one more with each of these votes."""
    utterances = [
        Utterance(f"u{i}", "ang" if i == 0 else "neu", "s", f"{i}.wav", samples=32_000, votes=given)
        for i, given in enumerate([(), *votes])
    ]
    corpus = Corpus("made", tmp_path, utterances=tuple(utterances))
    return population(corpus, CorpusSettings(name="iemocap", labels=LABELS), Segments(name="segments"))


def test_votes_are_booleans_by_rater_and_class_and_any_other_label_behind() -> None:
    votes = votes_on([("E1:Neutral state", "E2:Anger; Sadness"), (), ("E1:",)], list(LABELS.values()))
    assert votes.shape == (3, 2, 3)
    assert votes[0].tolist() == [[True, False, False], [False, True, True]]
    assert not votes[1:].any(), "nobody has rated it, and nobody who chose nothing is a rater"


def test_each_rater_counts_one_and_other_labels_are_left_out(tmp_path: Path) -> None:
    people = people_of(
        tmp_path,
        ("E1:Neutral", "E2:Neutral", "E3:Anger"),  # 2 to 1
        ("E1:Neutral; Anger", "E2:Neutral", "E3:Sadness"),  # 1.5 to 0.5; sadness is none of the classes
        ("E1:Neutral", "E2:Frustration; Anger"),  # two labels of one class are one vote for it
        ("E1:Sadness",),  # nobody named a class: its label
        ("E1:Neutral",),
    )
    votes = votes_of(people)
    assert votes.shares.dtype == np.float32
    expected = np.array([[0, 1], [2 / 3, 1 / 3], [3 / 4, 1 / 4], [1 / 2, 1 / 2], [1, 0], [1, 0]])
    np.testing.assert_allclose(votes.shares.astype(float), expected, rtol=1e-6)
    assert votes.without == 2, "the one without any vote, and the one with another label's alone"
    assert votes.remark == (
        "trained on the raters' votes, scored by the labels: on 1 of 6 utterances all votes for one of the classes are "
        "for the same; 2 without such a vote are taught their label"
    )


def test_a_corpus_without_votes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GlamError, match=r"training\.labels is votes, but the corpus made has no rater votes"):
        votes_of(people_of(tmp_path, ()))


def test_votes_that_are_trained_on_are_part_of_the_digest(tmp_path: Path) -> None:
    people = people_of(tmp_path, ("E1:Neutral",), ("E1:Anger",))
    first, second, third = people.utterances
    other = replace(people, utterances=(first, replace(second, votes=("E1:Anger",)), third))
    assert people.digest_with(["speaker"]) == other.digest_with(["speaker"]) == people.digest
    assert people.digest_with([RATERS]) != other.digest_with([RATERS])
    assert people.digest_with([RATERS]) != people.digest
