"""Tokens, vocabularies and word errors."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glam.inputs.tokens import PADDING, UNKNOWN, Tags, Vocabulary, tokens, word_errors
from glam.models import entrances

# pieces on which a rule turns, between anything at all
PIECES = st.sampled_from(
    "n't N'T 's 're 've 'll 'd 'm ’ ' - -- . ... , 3.5 1,000 [LAUGHTER] [ ] [[ don can't it's a-n't x' b".split()
) | st.sampled_from([" ", "\n", "\x1c", "\u00a0", "İ", "ß", "Σ", "_"])
TEXT = st.lists(PIECES | st.text(max_size=4), max_size=12).map("".join)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I don't know, you're Joe's.", "i do n't know , you 're joe 's ."),
        ("We've said we'll go; I'm sure he'd come!", "we 've said we 'll go ; i 'm sure he 'd come !"),
        ("Can't, won't, ain't", "ca n't , wo n't , ai n't"),
        ("I'd've shouldn't've", "i 'd 've should n't 've"),
        ("DON'T", "do n't"),
        ("don’t", "do n’t"),
        ('He said: "No?!" (twice)', 'he said : " no ? ! " ( twice )'),
        ("Well... yes -- no.", "well ... yes -- no ."),
        ("a well-known o'clock ma'am", "a well-known o'clock ma'am"),
        ("ma'am's goin' 'em the boys' ", "ma'am 's goin ' ' em the boys '"),
        ("$3.50, 1,000 or 5.", "$ 3.50 , 1,000 or 5 ."),
        ("Oh [LAUGHTER] no[BREATHING]", "oh [laughter] no [breathing]"),
        ("", ""),
        (" \t\n", ""),
    ],
)
def test_the_tokeniser(text: str, expected: str) -> None:
    assert " ".join(tokens(text)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Oh [LAUGHTER] no[BREATHING].", "oh no ."),
        ("[noise and a cough]", ""),
        ("[[LAUGHTER]] yes", "] yes"),
        ("a [ b", "a [ b"),
    ],
)
def test_tags_are_dropped_where_asked(text: str, expected: str) -> None:
    assert " ".join(tokens(text, "drop")) == expected


@pytest.mark.parametrize("tags", ["keep", "drop"])
@given(text=TEXT)
@settings(max_examples=400, deadline=None)
def test_tokens_joined_by_spaces_are_the_same_tokens(text: str, tags: Tags) -> None:
    once = tokens(text, tags)
    assert all(once)
    assert tokens(" ".join(once), tags) == once


@given(TEXT)
@settings(max_examples=400, deadline=None)
def test_every_character_comes_back_in_order(text: str) -> None:
    assert "".join(tokens(text)) == "".join(text.lower().split())


def test_a_long_text_takes_a_moment() -> None:  # hours, if a rule looked at the rest of the text at every character
    for piece in ("a", "a-", "a'", "n't", "1.", "[", "-", "'s"):
        tag_rules: tuple[Tags, ...] = ("keep", "drop")
        for tags in tag_rules:
            assert tokens(piece * 50_000 + "x", tags)


def test_the_vocabulary_is_sorted_and_leaves_room_for_padding_and_unknown() -> None:
    vocabulary = Vocabulary.of([("so", "what"), ("what", "a", "b"), ()])
    assert vocabulary.words == ("a", "b", "so", "what")
    assert len(vocabulary) == 6
    ids, length = vocabulary.encode([("what", "so", "new"), (), ("a",) * 5], longest=4)
    assert ids.dtype == np.int64
    assert ids.tolist() == [[5, 4, UNKNOWN, PADDING], [UNKNOWN, 0, 0, 0], [2, 2, 2, 2]]
    assert length.tolist() == [3, 1, 4]


def test_ids_mean_the_same_to_the_table() -> None:
    assert (PADDING, UNKNOWN) == (entrances.PADDING, entrances.UNKNOWN)


@pytest.mark.parametrize(
    ("reference", "hypothesis", "expected"),
    [
        ("the cat sat", "the cat sat", (0, 0, 0)),
        ("the cat sat", "the bat sat", (1, 0, 0)),
        ("the cat sat", "the sat", (0, 1, 0)),
        ("the cat sat", "the fat cat sat down", (0, 0, 2)),
        ("a b c d", "b c d e", (0, 1, 1)),
        ("a b", "b a", (0, 1, 1)),  # as few errors as two substitutions, and one word right
        ("a b c", "", (0, 3, 0)),
        ("", "a b", (0, 0, 2)),
        ("", "", (0, 0, 0)),
        ("a b c d e", "x b y z e f", (3, 0, 1)),
        ("a a a", "a", (0, 2, 0)),
    ],
)
def test_word_errors_by_hand(reference: str, hypothesis: str, expected: tuple[int, int, int]) -> None:
    assert word_errors(reference.split(), hypothesis.split()) == expected


WORDS = st.lists(st.sampled_from("abc"), max_size=7)


@given(WORDS, WORDS)
def test_word_errors_are_the_fewest(reference: list[str], hypothesis: list[str]) -> None:
    errors, substitutions = fewest(reference, hypothesis)
    split = word_errors(reference, hypothesis)
    assert (sum(split), split[0]) == (errors, substitutions)
    assert min(split) >= 0
    assert split[1] - split[2] == len(reference) - len(hypothesis)


def fewest(reference: list[str], hypothesis: list[str]) -> tuple[int, int]:
    """Errors and, of alignments with as few, substitutions, by recursion."""
    table: dict[tuple[int, int], tuple[int, int]] = {}
    for i in range(len(reference) + 1):
        for j in range(len(hypothesis) + 1):
            ways = [(0, 0)] if i == j == 0 else []
            if i:
                ways.append((table[i - 1, j][0] + 1, table[i - 1, j][1]))
            if j:
                ways.append((table[i, j - 1][0] + 1, table[i, j - 1][1]))
            if i and j:
                wrong = reference[i - 1] != hypothesis[j - 1]
                ways.append((table[i - 1, j - 1][0] + wrong, table[i - 1, j - 1][1] + wrong))
            table[i, j] = min(ways)
    return table[len(reference), len(hypothesis)]
