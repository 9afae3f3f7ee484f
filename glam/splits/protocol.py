"""A protocol, as whatever divides utterances: what all of them have, and what they ask of the groups of a corpus."""

from pydantic import Field

from glam.errors import GlamError
from glam.settings import Settings
from glam.splits.groups import Groups
from glam.splits.runs import RunKey
from glam.splits.splits import Ints, Split
from glam.words import plural


class Protocol(Settings):
    """A way to divide utterances. Its classes (protocols.py) are the protocols, and what can be set of each.

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
    def uses(self) -> tuple[str, ...]:
        """The kinds of group that decide about its splits."""
        return (self.left_out, "speaker", "session") if self.left_out else ()

    @property
    def own_validation(self) -> bool:
        """True where some of the held-out utterances are for choosing the epoch alone."""
        return True

    @property
    def single_class(self) -> bool:
        """True where what a fold is tested on is nearly of one class, so that its UA and F1 alone mean nothing."""
        return False

    @property
    def fixed(self) -> bool:
        """True where every seed has the same split, so that runs differ in their training alone."""
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


def count_of(groups: Groups) -> int:
    """The number of utterances."""
    return len(next(iter(groups.values())).codes)


def fold_of(run: RunKey) -> int:
    """The fold of a run of a protocol with folds."""
    if run.fold is None:
        raise ValueError("the protocol has folds, and a run of it is one fold")
    return run.fold


def known(groups: Groups, attribute: str, protocol: str) -> Ints:
    """The codes of a grouping; GlamError where it is not known of every utterance, or has too few groups."""
    if attribute not in groups:
        raise GlamError(
            f"split.name {protocol} needs the {attribute} of every utterance, and this corpus tells none; it tells "
            f"{', '.join(groups)}. Use another protocol."
        )
    grouping = groups[attribute]
    if unknown := int((~grouping.known).sum()):
        raise GlamError(
            f"split.name {protocol} needs the {attribute} of every utterance, and this corpus does not tell it of "
            f"{unknown} of {len(grouping.codes)}. Fill it in where it is missing, or use another protocol."
        )
    if len(grouping.names) < 2:
        raise GlamError(
            f"split.name {protocol} needs two {plural(attribute)} or more; the {len(grouping.codes)} utterances have "
            f"one, {grouping.names[0]}. Use another protocol."
        )
    return grouping.codes
