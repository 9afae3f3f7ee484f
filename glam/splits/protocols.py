"""The protocols: what a recipe says of how the utterances of a corpus are divided for training and test.

`random`               the seed's permutation cut in two: the released implementation's, exactly
`k-fold`               the seed's permutation cut into k slices, each of which is tested once
`leave-session-out`    a fold for each session, tested on it
`leave-speaker-out`    a fold for each speaker, tested on what he or she says
`leave-scenarios-out`  a fold for each scenario, tested on it
`random-speakers`      the seed's permutation of the speakers cut in two

The last four keep whole groups apart, and so take speakers of their own out of training for choosing the epoch: a tenth
of the speakers that are not tested, at least one, others with every seed. With `leave-speaker-out` it is whoever speaks
in the same session: in the same dialogues as the speaker tested, which training would otherwise hear the other side of.
(Validation on scenarios of their own would choose the epoch that leans to the one class that these nearly consist of.)
"""

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from glam.errors import GlamError
from glam.settings import Settings, by_name
from glam.splits.groups import Groups
from glam.splits.runs import RunKey
from glam.splits.splits import (
    Ints,
    Split,
    k_fold_split,
    leave_group_out_split,
    leave_speaker_out_split,
    random_speakers_split,
    random_split,
)


class Protocol(Settings):
    """A way to divide utterances. The classes below are the protocols, and what can be set of each.

    seed: of the split, the same for all runs, so that their seeds are the training's alone; the run's own if none.
    """

    name: str
    seed: int | None = Field(None, ge=0, lt=2**32)

    def seed_of(self, run: RunKey) -> int:
        """The seed that divides the utterances of a run."""
        return run.seed if self.seed is None else self.seed

    @property
    def left_out(self) -> str | None:
        """The kind of group of which a fold leaves one out."""
        return None

    @property
    def own_validation(self) -> bool:
        """True where some of the held-out utterances are for choosing the epoch alone."""
        return True

    @property
    def single_class(self) -> bool:
        """True where what a fold is tested on is nearly of one class, so that its UA and F1 alone mean nothing."""
        return False

    @property
    def title(self) -> str:
        """The protocol in words."""
        raise NotImplementedError

    def folds_of(self, groups: Groups) -> tuple[str, ...]:
        """Names of what each fold of a seed is tested on; () for protocols without folds."""
        return ()

    def split(self, groups: Groups, run: RunKey) -> Split:
        """The split of one run. groups: of the utterances, in their order.

        Raises GlamError where the utterances have too little for the protocol.
        """
        raise NotImplementedError


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
        return random_split(_count(groups), self.seed_of(run), self.train_share)


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
        return k_fold_split(_count(groups), self.seed_of(run), _fold(run), self.folds, self.own_validation)


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
        codes = _known(groups, self.left_out, self.name)
        return leave_group_out_split(codes, _known(groups, "speaker", self.name), self.seed_of(run), _fold(run))


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
    """A fold for each speaker."""

    name: Literal["leave-speaker-out"]  # type: ignore[assignment]

    @property
    def left_out(self) -> str:
        """See Protocol."""
        return "speaker"

    def split(self, groups: Groups, run: RunKey) -> Split:
        """See Protocol."""
        speakers = _known(groups, "speaker", self.name)
        sessions = groups["session"].codes if "session" in groups else speakers
        return leave_speaker_out_split(speakers, sessions, self.seed_of(run), _fold(run))


class RandomSpeakers(Protocol):
    """Whole speakers. train_share: of the speakers. validation: whether a tenth of these is for choosing the epoch.

    balanced_by: a kind of group, such as `gender`, of which training and test have equal shares of speakers.
    """

    name: Literal["random-speakers"]
    train_share: float = Field(0.8, gt=0, lt=1)
    validation: bool = True
    balanced_by: str = ""

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
        speakers = _known(groups, "speaker", self.name)
        kinds = _known(groups, self.balanced_by, self.name) if self.balanced_by else np.zeros_like(speakers)
        return random_speakers_split(speakers, self.seed_of(run), self.train_share, kinds, self.validation)


AnyProtocol = Annotated[
    Random | KFold | LeaveSessionOut | LeaveSpeakerOut | LeaveScenariosOut | RandomSpeakers,
    Field(discriminator="name"),
    by_name("random"),
]

PROTOCOLS = ("random", "k-fold", "leave-session-out", "leave-speaker-out", "leave-scenarios-out", "random-speakers")


def _count(groups: Groups) -> int:
    return len(next(iter(groups.values())).codes)


def _fold(run: RunKey) -> int:
    if run.fold is None:
        raise ValueError("the protocol has folds, and a run of it is one fold")
    return run.fold


def _known(groups: Groups, attribute: str, protocol: str) -> Ints:
    """The codes of a grouping; GlamError where it is not known of every utterance, or has too few groups."""
    if attribute not in groups:
        raise GlamError(
            f"split.name {protocol} needs the {attribute} of every utterance, and this corpus tells none; it tells "
            f"{', '.join(groups)}. Use another protocol."
        )
    grouping = groups[attribute]
    if unknown := sum(int((grouping.codes == i).sum()) for i, name in enumerate(grouping.names) if not name):
        raise GlamError(
            f"split.name {protocol} needs the {attribute} of every utterance, and this corpus does not tell it of "
            f"{unknown} of {len(grouping.codes)}. Use another protocol."
        )
    if len(grouping.names) < 2:
        raise GlamError(
            f"split.name {protocol} needs two {attribute}s or more; the {len(grouping.codes)} utterances have one, "
            f"{grouping.names[0]}. Use another protocol."
        )
    return grouping.codes
