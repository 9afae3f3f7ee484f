"""Numbers as people say them, and names that they mistype."""

import pytest

from glam.words import counted, did_you_mean, range_of


@pytest.mark.parametrize(
    ("number", "noun", "words"),
    [
        (1, "run", "1 run"),
        (0, "run", "0 runs"),
        (2, "epoch", "2 epochs"),
        (2, "batch", "2 batches"),
        (5, "class", "5 classes"),
        (2, "emobox", "2 emoboxes"),
    ],
)
def test_one_of_a_thing_and_several(number: int, noun: str, words: str) -> None:
    assert counted(number, noun) == words


@pytest.mark.parametrize(
    ("given", "meant"),
    [("predct", "predict"), ("Emo-DB", "emodb"), ("leave_speaker_out", "leave-speaker-out"), ("zzz", ""), ("", "")],
)
def test_the_nearest_name_is_asked_about(given: str, meant: str) -> None:
    names = ["predict", "emodb", "emov-db", "leave-speaker-out", "leave-session-out"]
    assert did_you_mean(given, names) == (f" Did you mean {meant!r}?" if meant else "")


def test_numbers_that_differ_are_given_as_a_range() -> None:
    assert (range_of([12]), range_of([12, 12]), range_of([13, 11, 12])) == ("12", "12", "11 to 13")
    assert range_of([1.81, 1.84], ".1f") == "1.8"  # by what is shown of them
