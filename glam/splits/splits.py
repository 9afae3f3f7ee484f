"""Seeds, runs, and the splits of utterances that they stand for.

A protocol says how the utterances of a corpus are divided for training and test:

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

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from glam.errors import GlamError
from glam.settings import Settings
from glam.splits.groups import Groups

RUNS = 100  # runs behind every number of the paper's tables

Protocol = Literal[
    "random", "k-fold", "leave-session-out", "leave-speaker-out", "leave-scenarios-out", "random-speakers"
]
Ints = NDArray[np.int64]

# What a fold leaves out, of the protocols that leave out whole groups.
LEFT_OUT: dict[Protocol, str] = {
    "leave-session-out": "session",
    "leave-speaker-out": "speaker",
    "leave-scenarios-out": "scenario",
}
VALIDATION = 10  # one of so many speakers who are not tested is for validation


def seeds() -> tuple[int, ...]:
    """The seeds of the paper's 100 runs, in the order in which the released scripts use them."""
    drawn = np.random.RandomState(2021).randint(0, 2**32 - 1, RUNS, dtype=np.int64)
    return tuple(int(seed) for seed in drawn)


@dataclass(frozen=True, slots=True)
class RunKey:
    """What tells a run from the others of its experiment: its seed and, of protocols with folds, its fold (from 1)."""

    seed: int
    fold: int | None = None

    @property
    def name(self) -> str:
        """Of its folder: `<seed>` or `<seed>-fold<k>`."""
        return str(self.seed) if self.fold is None else f"{self.seed}-fold{self.fold}"

    @property
    def draws(self) -> int:
        """Seeds what is drawn in training (initial weights, order, mixup, dropout): of the seed and the fold."""
        if self.fold is None:
            return self.seed
        return int(np.random.SeedSequence([self.seed, self.fold]).generate_state(1)[0])

    def __str__(self) -> str:
        return f"seed {self.seed}" if self.fold is None else f"seed {self.seed}, fold {self.fold}"


def runs_of(seeds: Iterable[int], folds: int) -> list[RunKey]:
    """The runs of these seeds, each with all its folds; folds: how many there are, 0 for protocols without."""
    if not folds:
        return [RunKey(seed) for seed in seeds]
    return [RunKey(seed, fold) for seed in seeds for fold in range(1, folds + 1)]


class SplitSettings(Settings):
    """How utterances are divided.

    protocol: one of those above. train_share: of the utterances, or of the speakers, that `random` and
    `random-speakers` train on; the rest is held out. folds: of `k-fold`.
    """

    protocol: Protocol = "random"
    train_share: float = Field(0.8, gt=0, lt=1)
    folds: int = Field(5, ge=2)

    @model_validator(mode="after")
    def _every_option_acts(self) -> Self:
        default = type(self).model_fields
        if self.protocol != "k-fold" and self.folds != default["folds"].default:
            raise ValueError(f"folds belongs to protocol k-fold; protocol is {self.protocol}")
        if not self.protocol.startswith("random") and self.train_share != default["train_share"].default:
            raise ValueError(f"train_share belongs to the protocols random and random-speakers, not {self.protocol}")
        return self

    @property
    def own_validation(self) -> bool:
        """Whether some of the held-out utterances are for choosing the epoch alone."""
        return self.protocol not in ("random", "k-fold")

    @property
    def single_class(self) -> bool:
        """Whether what a fold is tested on is nearly of one class, so that its UA and F1 alone mean nothing."""
        return self.protocol == "leave-scenarios-out"

    @property
    def title(self) -> str:
        """The protocol in words."""
        left_out = LEFT_OUT.get(self.protocol)
        if left_out:
            return f"leave one {left_out} out"
        if self.protocol == "k-fold":
            return "folds of utterances"
        return f"random splits of {'utterances' if self.protocol == 'random' else 'whole speakers'}"


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Which utterances a run trains on; positions in the list that was split.

    held_out: what it does not train on, of which the first `validation_only` are for choosing the epoch alone and are
    never part of a score.
    """

    train: Ints
    held_out: Ints
    validation_only: int = 0

    @property
    def scored(self) -> Ints:
        """The utterances that a run's scores are over."""
        return self.held_out[self.validation_only :]

    @property
    def validation(self) -> Ints:
        """What the epoch is chosen on, with a validation set: the protocol's own, or half of what is held out (8:1:1,
        Table 4)."""
        return self.held_out[: self.validation_only or len(self.held_out) // 2]

    @property
    def test(self) -> Ints:
        """What is tested on, with a validation set: the rest of what is held out."""
        return self.held_out[self.validation_only or len(self.held_out) // 2 :]


def split(settings: SplitSettings, groups: Groups, run: RunKey) -> Split:
    """The split of one run. groups: of the utterances, in their order.

    Raises GlamError where the utterances have too little for the protocol.
    """
    protocol, seed, n = settings.protocol, run.seed, len(groups["speaker"].codes)
    if protocol == "random":
        return random_split(n, seed, settings.train_share)
    if protocol == "random-speakers":
        return random_speakers_split(_known(groups, "speaker", protocol), seed, settings.train_share)
    if run.fold is None:
        raise ValueError(f"{protocol} has folds, and a run of it is one fold")
    if protocol == "k-fold":
        return k_fold_split(n, seed, run.fold, settings.folds)
    speakers = _known(groups, "speaker", protocol)
    if protocol == "leave-speaker-out":
        return leave_speaker_out_split(speakers, groups["session"].codes, seed, run.fold)
    return leave_group_out_split(_known(groups, LEFT_OUT[protocol], protocol), speakers, seed, run.fold)


def fold_names(settings: SplitSettings, groups: Groups) -> tuple[str, ...]:
    """What each fold of a seed is tested on, by name; () for protocols without folds."""
    if settings.protocol == "k-fold":
        return tuple(f"slice {fold}" for fold in range(1, settings.folds + 1))
    left_out = LEFT_OUT.get(settings.protocol)
    return groups[left_out].names if left_out else ()


def random_split(n: int, seed: int, train_share: float = 0.8) -> Split:
    """Draw the training utterances out of `n`: the first int(n * train_share) of the seed's permutation.

    The permutation is that of NumPy's legacy generator, as in the release (its `choice` without replacement
    is the head of a permutation), so the same list and seed give the same training set, in the same order.
    Both parts are never empty: raises GlamError where `n` is too small for that.
    """
    size = int(n * train_share)
    if not 0 < size < n:
        raise GlamError(
            f"cannot split {n} utterances with split.train_share {train_share:g}: {size} would be for training "
            f"and {n - size} held out; both need at least one. Use a larger corpus or another share."
        )
    order = _permutation(n, seed)
    return Split(train=order[:size], held_out=order[size:])


def k_fold_split(n: int, seed: int, fold: int, folds: int) -> Split:
    """Hold out slice `fold` (from 1) of the seed's permutation of `n` utterances, cut into `folds` as equal as can be.

    Raises GlamError for fewer utterances than folds.
    """
    if n < folds:
        raise GlamError(
            f"cannot cut {n} utterances into split.folds {folds}: each fold needs at least one. Use fewer folds or a "
            "larger corpus."
        )
    slices = np.array_split(_permutation(n, seed), folds)
    return Split(train=np.concatenate(slices[: fold - 1] + slices[fold:]), held_out=slices[fold - 1])


def leave_group_out_split(codes: Ints, speakers: Ints, seed: int, fold: int) -> Split:
    """Test on group `fold` - 1, validate on a tenth of the speakers of the rest, train on the others.

    codes, speakers: (n,) groups from 0. Raises GlamError where fewer than two speakers are left.
    """
    tested = codes == fold - 1
    rest = np.unique(speakers[~tested])
    if len(rest) < 2:
        raise GlamError(
            f"without what fold {fold} is tested on, {len(rest)} speaker is left, and two are needed: one for "
            "validation and one for training. Use another split.protocol."
        )
    order = np.roll(rest[_permutation(len(rest), seed)], -fold)
    return _split(tested, np.isin(speakers, order[: _validation_speakers(len(rest))]))


def leave_speaker_out_split(speakers: Ints, sessions: Ints, seed: int, fold: int) -> Split:
    """Test on speaker `fold` - 1, validate on whoever else speaks in the same session, train on the others.

    speakers, sessions: (n,) groups from 0. Where nobody else speaks in that session, or everybody does, validation is
    as in `leave_group_out_split`.
    """
    tested = speakers == fold - 1
    company = np.isin(speakers, speakers[np.isin(sessions, sessions[tested])])
    if (company & ~tested).any() and not company.all():
        return _split(tested, company)
    return leave_group_out_split(speakers, speakers, seed, fold)


def random_speakers_split(speakers: Ints, seed: int, train_share: float = 0.8) -> Split:
    """Cut the seed's permutation of the speakers at `train_share`; a tenth before the cut is for validation.

    speakers: (n,) groups from 0. Raises GlamError where there are too few for a speaker in each part.
    """
    count = int(speakers.max()) + 1
    size = int(count * train_share)
    if not 1 < size < count:
        raise GlamError(
            f"split.protocol random-speakers cannot split {count} speakers with split.train_share {train_share:g}: "
            f"{size} would be for training and validation, which need two, and {count - size} for test, which needs "
            "one. Use a corpus of more speakers or another share."
        )
    order = _permutation(count, seed)
    validation = order[size - _validation_speakers(size) : size]
    return _split(np.isin(speakers, order[size:]), np.isin(speakers, validation))


def _validation_speakers(rest: int) -> int:
    return max(1, rest // VALIDATION)


def _permutation(n: int, seed: int) -> Ints:
    return np.random.RandomState(seed).permutation(n).astype(np.int64, copy=False)


def _split(tested: NDArray[np.bool_], chosen_on: NDArray[np.bool_]) -> Split:
    """The split of utterances that are tested (n,), those of the others that choose the epoch (n,), and the rest."""
    chosen_on = chosen_on & ~tested
    return Split(
        train=np.flatnonzero(~tested & ~chosen_on),
        held_out=np.concatenate([np.flatnonzero(chosen_on), np.flatnonzero(tested)]),
        validation_only=int(chosen_on.sum()),
    )


def _known(groups: Groups, attribute: str, protocol: Protocol) -> Ints:
    """The codes of a grouping; GlamError where it is not known of every utterance, or has too few groups."""
    found = groups[attribute]
    if unknown := sum(int((found.codes == i).sum()) for i, name in enumerate(found.names) if not name):
        raise GlamError(
            f"split.protocol {protocol} needs the {attribute} of every utterance, and this corpus does not tell it of "
            f"{unknown} of {len(found.codes)}. Use another protocol."
        )
    if len(found.names) < 2:
        raise GlamError(
            f"split.protocol {protocol} needs two {attribute}s or more; the {len(found.codes)} utterances have one, "
            f"{found.names[0]}. Use another protocol."
        )
    return found.codes


def read_seeds(path: Path) -> list[int]:
    """The seeds of a file, one a line (seeds.txt); raises GlamError naming the line that is none."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise GlamError(f"{path}: the seeds cannot be read ({error}); python seeds.py writes seeds.txt") from None
    found: list[int] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        digits = line.strip()
        if not (digits.isascii() and digits.isdigit() and len(digits) <= 10 and int(digits) < 2**32):
            raise GlamError(f"{path}, line {number}: found {line[:40]!r}, expected a seed from 0 to {2**32 - 1}")
        if int(line) in found:
            raise GlamError(f"{path}, line {number}: the seed {int(line)} stands twice")
        found.append(int(line))
    return found
