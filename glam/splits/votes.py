"""What the raters say of a population: a distribution over the classes for each utterance, to be trained on."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glam.corpora.votes import votes_on
from glam.errors import GlamError
from glam.evaluation.raters import soft_labels
from glam.splits.population import Population
from glam.words import counted


@dataclass(frozen=True, eq=False)
class Votes:
    """The distribution of the votes on each utterance over the classes.

    shares: (U, C) float32, each row sums to 1. without: utterances that nobody gave one of the classes; their row is
    their label's.
    """

    shares: NDArray[np.float32]
    without: int

    @property
    def remark(self) -> str:
        """One line for the head of a report."""
        alike = int((self.shares.max(axis=1) == 1).sum()) - self.without
        return (
            f"trained on the raters' votes, scored by the labels: on {alike} of "
            f"{counted(len(self.shares), 'utterance')} all votes for one of the classes are for the same"
            + (f"; {self.without} without such a vote are taught their label" if self.without else "")
        )


def votes_of(people: Population) -> Votes:
    """The distributions of a population's votes.

    Each rater counts 1, divided among the labels chosen; votes for labels that make none of the classes are left out.
    Raises GlamError where no utterance has a vote.
    """
    if not any(utterance.votes for utterance in people.utterances):
        raise GlamError(
            f"training.labels is votes, but the corpus {people.corpus} has no rater votes on these utterances; "
            "set training.labels to hard"
        )
    chosen = votes_on([utterance.votes for utterance in people.utterances], list(people.settings.labels.values()))
    shares = np.eye(len(people.settings.classes))[np.array(people.targets)]
    rated = chosen[:, :, :-1].any(axis=(1, 2))
    if rated.any():
        shares[rated] = _over_classes(chosen[rated])
    return Votes(shares.astype(np.float32), int((~rated).sum()))


def _over_classes(chosen: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The part of the votes (n, R, C + 1) that is for the classes, as shares (n, C)."""
    own = soft_labels(chosen)[:, :-1]
    return np.asarray(own / own.sum(axis=1, keepdims=True))
