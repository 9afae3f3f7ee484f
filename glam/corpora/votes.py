"""The raters' votes on utterances as arrays: which of the classes each rater chose."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def votes_on(votes: Sequence[Sequence[str]], labels: Sequence[Sequence[str]]) -> NDArray[np.bool_]:
    """Votes (U, R, C + 1) booleans, whether a rater chose a class; the last of these is any other label.

    votes: of each utterance, `E1:Neutral` or `E3:Neutral; Sadness`; none where nobody has rated it. labels: those of
    the corpus that make each of the C classes. R is the most raters that an utterance has, at least 1.
    """
    chosen = np.zeros((len(votes), max([1, *map(len, votes)]), len(labels) + 1), dtype=bool)
    for i, of_utterance in enumerate(votes):
        for rater, vote in enumerate(of_utterance):
            for word in vote.partition(":")[2].split(";"):
                if word.strip():
                    chosen[i, rater, _class_of(word.strip(), labels)] = True
    return chosen


def _class_of(word: str, labels: Sequence[Sequence[str]]) -> int:
    """The class whose label a rater's word begins with (`Neutral state`: neu); behind the last, of any other."""
    for index, made_of in enumerate(labels):
        if any(word.lower().startswith(label.lower()) for label in made_of):
            return index
    return len(labels)
