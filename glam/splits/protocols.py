"""The protocols: what a recipe says of how the utterances of a corpus are divided for training and test.

`random`               the seed's permutation cut in two: the released implementation's, exactly
`k-fold`               the seed's permutation cut into k slices, each of which is tested once
`leave-session-out`    a fold for each session, tested on it
`leave-speaker-out`    a fold for each speaker, tested on what he or she says
`leave-scenarios-out`  a fold for each scenario, tested on it
`random-speakers`      the seed's permutation of the speakers cut in two
`group-folds`          folds of whole groups (speakers, texts), made by a fixed rule
`parts`                the parts that the corpus gives: train, dev, test
`published-folds`      the folds that the corpus gives, or that were published for it

Those of sessions, speakers, scenarios and groups keep whole groups apart, and so take speakers of their own out of
training for choosing the epoch: a tenth of the speakers that are not tested, at least one, others with every seed. With
`leave-speaker-out` it is whoever speaks in the same session: in the same dialogues as the speaker tested, which
training would otherwise hear the other side of. (Validation on scenarios of their own would choose the epoch that leans
to the one class that these nearly consist of.)
"""

from typing import Annotated, Literal, get_args

import numpy as np
from pydantic import Field

from glam.settings import by_name
from glam.splits.groups import Groups
from glam.splits.known import GroupFolds, Parts, PublishedFolds
from glam.splits.protocol import Protocol, count_of, fold_of, known
from glam.splits.runs import RunKey
from glam.splits.splits import (
    Split,
    k_fold_split,
    leave_group_out_split,
    leave_speaker_out_split,
    leave_speaker_out_within_split,
    random_speakers_split,
    random_split,
)


class Random(Protocol):
    """The released protocol. train_share: of the utterances; the rest is held out."""

    name: Literal["random"]
    train_share: float = Field(0.8, gt=0, lt=1)

    @property
    def own_validation(self) -> bool:
        """False: 8:1:1 is another view of the same runs."""
        return False

    @property
    def title(self) -> str:
        """The protocol in words."""
        return "random splits of utterances"

    def split(self, groups: Groups, run: RunKey) -> Split:
        """See Protocol."""
        return random_split(count_of(groups), self.seed_of(run), self.train_share)


class KFold(Protocol):
    """Folds of utterances. folds: how many. validation: `none`, or `next`: the fold after the one that is tested."""

    name: Literal["k-fold"]
    folds: int = Field(5, ge=2, le=10_000)
    validation: Literal["none", "next"] = "none"

    @property
    def own_validation(self) -> bool:
        """True where the next fold is for choosing the epoch."""
        return self.validation == "next"

    @property
    def title(self) -> str:
        """The protocol in words."""
        return "folds of utterances" + (", the next one for validation" if self.own_validation else "")

    def folds_of(self, groups: Groups) -> tuple[str, ...]:
        """See Protocol."""
        return tuple(f"slice {fold}" for fold in range(1, self.folds + 1))

    def split(self, groups: Groups, run: RunKey) -> Split:
        """See Protocol."""
        return k_fold_split(count_of(groups), self.seed_of(run), fold_of(run), self.folds, self.own_validation)


class LeaveSessionOut(Protocol):
    """A fold for each session."""

    name: Literal["leave-session-out"]

    @property
    def left_out(self) -> str:
        """See Protocol."""
        return "session"

    @property
    def title(self) -> str:
        """The protocol in words."""
        return f"leave one {self.left_out} out"

    def folds_of(self, groups: Groups) -> tuple[str, ...]:
        """See Protocol."""
        return groups[self.left_out].names if self.left_out in groups else ()

    def split(self, groups: Groups, run: RunKey) -> Split:
        """See Protocol."""
        codes = known(groups, self.left_out, self.name)
        return leave_group_out_split(codes, known(groups, "speaker", self.name), self.seed_of(run), fold_of(run))


class LeaveScenariosOut(LeaveSessionOut):
    """A fold for each scenario."""

    name: Literal["leave-scenarios-out"]  # type: ignore[assignment]

    @property
    def left_out(self) -> str:
        """See Protocol."""
        return "scenario"

    @property
    def single_class(self) -> bool:
        """True: a scenario mostly asks for one emotion."""
        return True


class LeaveSpeakerOut(LeaveSessionOut):
    """A fold for each speaker.

    validation: what the epoch is chosen on: other `speakers`, who are not trained on; or a tenth of the `utterances` of
    those who are, which two speakers in all leave no choice but to take.
    """

    name: Literal["leave-speaker-out"]  # type: ignore[assignment]
    validation: Literal["speakers", "utterances"] = "speakers"

    @property
    def left_out(self) -> str:
        """See Protocol."""
        return "speaker"

    def split(self, groups: Groups, run: RunKey) -> Split:
        """See Protocol."""
        speakers = known(groups, "speaker", self.name)
        if self.validation == "utterances":
            return leave_speaker_out_within_split(speakers, self.seed_of(run), fold_of(run))
        sessions = groups["session"].codes if "session" in groups else speakers
        return leave_speaker_out_split(speakers, sessions, self.seed_of(run), fold_of(run))


class RandomSpeakers(Protocol):
    """Whole speakers. train_share: of the speakers. validation: whether a tenth of these is for choosing the epoch.

    balanced_by: a kind of group, such as `gender`, of which training and test have equal shares of speakers.
    """

    name: Literal["random-speakers"]
    train_share: float = Field(0.8, gt=0, lt=1)
    validation: bool = True
    balanced_by: str = ""

    @property
    def uses(self) -> tuple[str, ...]:
        """See Protocol."""
        return ("speaker", self.balanced_by)

    @property
    def own_validation(self) -> bool:
        """True where some speakers are for choosing the epoch."""
        return self.validation

    @property
    def title(self) -> str:
        """The protocol in words."""
        return "random splits of whole speakers" + (f", balanced by {self.balanced_by}" if self.balanced_by else "")

    def split(self, groups: Groups, run: RunKey) -> Split:
        """See Protocol."""
        speakers = known(groups, "speaker", self.name)
        kinds = known(groups, self.balanced_by, self.name) if self.balanced_by else np.zeros_like(speakers)
        return random_speakers_split(speakers, self.seed_of(run), self.train_share, kinds, self.validation)


AnyProtocol = Annotated[
    Random
    | KFold
    | LeaveSessionOut
    | LeaveSpeakerOut
    | LeaveScenariosOut
    | RandomSpeakers
    | GroupFolds
    | Parts
    | PublishedFolds,
    Field(discriminator="name"),
    by_name("random"),
]

PROTOCOLS: tuple[str, ...] = tuple(
    name for kind in get_args(get_args(AnyProtocol)[0]) for name in get_args(kind.model_fields["name"].annotation)
)
"""Their names."""
