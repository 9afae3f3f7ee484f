"""Words of an utterance as ids: a tokeniser that needs no download, a corpus's vocabulary, and word errors.

The tokeniser is called `penn-lower`: lower case, n't 's 're 've 'll 'd 'm as tokens of their own as in the Penn
Treebank, and punctuation apart. A hyphen or an apostrophe between letters stays (well-known, o'clock), and so do
decimal points and commas within numbers.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Tags = Literal["keep", "drop"]

PADDING, UNKNOWN = 0, 1  # ids; the words' begin after them
LONGEST = 128  # tokens of an utterance: the longest of IEMOCAP has as many

_TAG = r"\[[^\[\]\s]+\]"
_IN_BRACKETS = re.compile(r"\[[^\]]*\]")
_ENDINGS = tuple(ending.replace("'", mark) for mark in "'’" for ending in "n't 's 're 've 'll 'd 'm".split())
_TOKEN = re.compile(
    rf"""
    {_TAG}
    | \d+(?:[.,]\d+)+
    | (?P<word>\w+(?:[-'’]\w+)*)
    | (?:{"|".join(_ENDINGS)})\b  # without the word it belongs to
    | \.{{2,}} | -{{2,}}     # an ellipsis, a dash
    | \S
    """,
    re.VERBOSE,
)


def tokens(text: str, tags: Tags = "keep") -> tuple[str, ...]:
    """The tokens of a text, in lower case; none of them is empty or has white space in it.

    tags: whether a tag such as [LAUGHTER] is a token, or is dropped with whatever else stands in square brackets.
    Transcripts by people have them, those of a recogniser do not, and they give emotion away.
    """
    if tags == "drop":
        within, last, behind = text.rpartition("]")  # behind it, no bracket is closed
        text = _IN_BRACKETS.sub(" ", within + last) + behind
    split: list[str] = []
    for match in _TOKEN.finditer(text.lower()):
        split += _parts(match[0]) if match["word"] else [match[0]]
    return tuple(split)


def _parts(word: str) -> list[str]:
    """A word and the endings that are tokens of their own, which do not follow a hyphen or an apostrophe."""
    parts: list[str] = []
    end = len(word)
    while ending := next((ending for ending in _ENDINGS if word.endswith(ending, 0, end)), None):
        if end == len(ending) or word[end - len(ending) - 1] in "-'’":
            break
        parts.append(ending)
        end -= len(ending)
    return [word[:end], *reversed(parts)]


@dataclass(frozen=True)
class Vocabulary:
    """The distinct tokens of a corpus, sorted; the id of a word is its place plus 2.

    Over all of a corpus, so that its runs share one store and one size of table. What a run may know of it is the
    business of glam.models.entrances.
    """

    words: tuple[str, ...]

    @classmethod
    def of(cls, texts: Iterable[Sequence[str]]) -> "Vocabulary":
        """The vocabulary of texts that are tokens."""
        return cls(tuple(sorted({token for text in texts for token in text})))

    def __len__(self) -> int:
        """The number of ids: padding, unknown, and the words."""
        return UNKNOWN + 1 + len(self.words)

    def ids(self) -> dict[str, int]:
        """The id of each word."""
        return {word: i for i, word in enumerate(self.words, UNKNOWN + 1)}

    def encode(
        self, texts: Sequence[Sequence[str]], longest: int = LONGEST, ids: Mapping[str, int] | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The ids (n, longest) of texts that are tokens, padding behind each, and their lengths (n,), of at least 1.

        An empty text is one unknown word, and so is a word that is not here; a longer text loses its end. ids: what
        `ids` gives, where it was asked already.
        """
        known = self.ids() if ids is None else ids
        rows = np.full((len(texts), longest), PADDING, dtype=np.int64)
        length = np.empty(len(texts), dtype=np.int64)
        for row, text in enumerate(texts):
            own = [known.get(token, UNKNOWN) for token in text[:longest]] or [UNKNOWN]
            rows[row, : len(own)] = own
            length[row] = len(own)
        return rows, length


def word_errors(reference: Sequence[str], hypothesis: Sequence[str]) -> tuple[int, int, int]:
    """Substitutions, deletions and insertions that turn the reference's tokens into the hypothesis's.

    As few as possible in all; of equally few, with as few substitutions as possible, so that most words are right.
    The word error rate is their sum over the number of reference tokens.
    """
    ids: dict[str, int] = {}
    spoken, heard = (
        np.array([ids.setdefault(token, len(ids)) for token in text], dtype=np.int64)
        for text in (reference, hypothesis)
    )
    # One number orders alignments: an error costs `each`, which is more than all substitutions together can add.
    each = len(spoken) + len(heard) + 1
    places = each * np.arange(len(heard) + 1)
    cost = places  # of the first so many tokens heard, against nothing spoken
    for token in spoken:
        diagonal = cost[:-1] + np.where(heard == token, 0, each + 1)
        best = np.concatenate([cost[:1] + each, np.minimum(cost[1:] + each, diagonal)])
        cost = np.minimum.accumulate(best - places) + places  # then insertions, from left to right
    errors, substitutions = divmod(int(cost[-1]), each)
    deletions = (errors - substitutions + len(spoken) - len(heard)) // 2
    return substitutions, deletions, errors - substitutions - deletions
