"""Groups that utterances of a corpus belong to: speaker, session, dialogue, scenario, recording."""

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
"""The groupings of one list of utterances by kind: `speaker`, `recording`, and what else the corpus knows."""

FIRST = ("speaker", "session", "dialogue", "scenario", "recording")  # the order in which kinds are written


def groups_of(utterances: Sequence[Utterance]) -> Groups:
    """Groups of these utterances, in their order. Identical recordings go by the name of the first of them."""
    first: dict[str, str] = {}
    recordings = [first.setdefault(utterance.sha256, utterance.id) for utterance in utterances]
    known = {kind for utterance in utterances for kind in utterance.groups}
    kinds = [kind for kind in FIRST if kind in known | {"speaker", "recording"}]
    return {
        kind: Grouping.of(recordings if kind == "recording" else [utterance.group(kind) for utterance in utterances])
        for kind in (*kinds, *sorted(known - set(FIRST)))
    }
