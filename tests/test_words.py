"""Numbers as people say them."""

import pytest

from glam.words import counted


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
