"""How much of a release is there, where a scheme has several label sets."""

from pathlib import Path

import pytest

from glam.corpora.completeness import counts_of, in_words, release_of
from glam.corpora.scheme import Release, Scheme
from glam.corpora.utterances import Corpus, Utterance

SCHEME = Scheme.model_validate(
    {
        "title": "Two label sets",
        "pattern": r"(?P<speaker>.)(?P<voice>.)(?P<face>.)",
        "label_sets": {"voice": "voice", "face": "face"},
        "releases": [
            {"utterances": 3, "labels": {"anger": 2, "joy": 1}},
            {"name": "large", "utterances": 5, "labels": {"anger": 3, "joy": 2}, "label_set": "face"},
        ],
    }
)


def corpus(*labels: str) -> Corpus:
    return Corpus("x", Path(), utterances=tuple(Utterance(str(i), label, "", "") for i, label in enumerate(labels)))


@pytest.mark.parametrize(("label_set", "known"), [("voice", {"anger": 2, "joy": 1}), ("face", {})])
def test_labels_without_the_name_of_a_set_are_of_the_first(label_set: str, known: dict[str, int]) -> None:
    assert counts_of(SCHEME.releases[0], SCHEME, label_set) == known
    assert counts_of(Release(utterances=1), SCHEME, label_set) == {}


def test_another_label_set_is_not_held_against_the_labels_of_the_first() -> None:
    """What is heard is angry in all three; seen, in two: only the first label set is known to differ."""
    heard = corpus("anger", "anger", "anger")
    assert in_words(heard, SCHEME, "voice") == "large, INCOMPLETE: 3 of 5 utterances"
    assert in_words(heard, SCHEME, "face") == "complete"
    release = release_of(heard, SCHEME, "face")
    assert release is not None
    assert release.utterances == 3
    assert in_words(corpus("anger", "anger", "joy"), SCHEME, "voice") == "complete"
