"""What the utterances of a corpus belong to: who speaks, in which session, dialogue and scenario, which recording."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glam.corpora.utterances import Utterance


@dataclass(frozen=True, eq=False)
class Grouping:
    """A division of n utterances into groups.

    names: of the groups, sorted; an empty name stands for "not known". codes: (n,) int64, the group of each utterance.
    """

    names: tuple[str, ...]
    codes: NDArray[np.int64]

    @classmethod
    def of(cls, names: Sequence[str]) -> "Grouping":
        """The division that the group names of the utterances, in their order, make."""
        distinct, codes = np.unique(np.array(names, dtype=object), return_inverse=True)
        return cls(tuple(str(name) for name in distinct), codes.astype(np.int64))


Groups = Mapping[str, Grouping]
"""The groupings of one list of utterances, by the names of GROUPINGS."""

GROUPINGS = ("speaker", "session", "dialogue", "scenario", "recording")


def groups_of(utterances: Sequence[Utterance]) -> Groups:
    """What these utterances belong to, in their order. Identical recordings go by the name of the first of them."""
    first: dict[str, str] = {}
    recordings = [first.setdefault(one.sha256, one.id) for one in utterances]
    return {
        "speaker": Grouping.of([one.speaker for one in utterances]),
        "session": Grouping.of([one.session for one in utterances]),
        "dialogue": Grouping.of([one.dialogue for one in utterances]),
        "scenario": Grouping.of([one.scenario for one in utterances]),
        "recording": Grouping.of(recordings),
    }
