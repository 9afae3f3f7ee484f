"""Groups that utterances of a corpus belong to: speaker, session, dialogue, scenario, recording, text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from glam.corpora.utterances import Utterance
from glam.inputs.tokens import tokens


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

    @property
    def known(self) -> NDArray[np.bool_]:
        """(n,) whether the group of each utterance is known."""
        return np.array([bool(name) for name in self.names], dtype=bool)[self.codes]


Groups = Mapping[str, Grouping]
"""The groupings of one list of utterances by kind: `speaker`, `recording`, and what else the corpus knows."""

TEXT = "text"
FIRST = ("speaker", "session", "dialogue", "scenario", "recording")  # the order in which kinds are written


def groups_of(utterances: Sequence[Utterance]) -> Groups:
    """Groups of these utterances, in their order. Identical recordings go by the name of the first of them.

    A corpus with words has texts, too: the same tokens in the same order are the same text, whatever its case. They go
    by a hash, as transcriptions may not be passed on with results; where a corpus names its texts, by these names.
    """
    first: dict[str, str] = {}
    recordings = [first.setdefault(utterance.sha256, utterance.id) for utterance in utterances]
    known = {kind for utterance in utterances for kind in utterance.groups}
    kinds = [kind for kind in FIRST if kind in known | {"speaker", "recording"}]
    groups = {
        kind: Grouping.of(recordings if kind == "recording" else [utterance.group(kind) for utterance in utterances])
        for kind in (*kinds, *sorted(known - set(FIRST)))
    }
    if TEXT not in groups and any(utterance.words for utterance in utterances):
        groups[TEXT] = Grouping.of([_text_name(utterance.words) for utterance in utterances])
    return groups


def _text_name(words: str) -> str:
    """The name of a text: a hash of its tokens; empty where nothing is known of what was said."""
    return sha256(" ".join(tokens(words)).encode(errors="surrogatepass")).hexdigest()[:12] if words.strip() else ""
