"""The splits of n utterances into those that a run trains on and those that it holds out."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glam.errors import GlamError

VALIDATION = 10  # one of so many speakers who are not tested is for validation

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Utterances that a run trains on and holds out: positions in the list that was split.

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


def k_fold_split(n: int, seed: int, fold: int, folds: int, validation: bool = False) -> Split:
    """Hold out slice `fold` (from 1) of the seed's permutation of `n` utterances, cut into `folds` as equal as can be.

    validation: whether the slice after it (after the last, the first) is held out, too, for choosing the epoch. Raises
    GlamError for fewer utterances than folds, or where no slice is left to train on.
    """
    if n < folds:
        raise GlamError(
            f"cannot cut {n} utterances into split.folds {folds}: each fold needs at least one. Use fewer folds or a "
            "larger corpus."
        )
    slices = np.array_split(_permutation(n, seed), folds)
    if not validation:
        return Split(train=np.concatenate(slices[: fold - 1] + slices[fold:]), held_out=slices[fold - 1])
    if folds < 3:
        raise GlamError("split.validation next takes split.folds 3 or more: one to test, one to validate, one to train")
    chosen_on = fold % folds
    rest = [part for i, part in enumerate(slices) if i not in (fold - 1, chosen_on)]
    held_out = np.concatenate([slices[chosen_on], slices[fold - 1]])
    return Split(train=np.concatenate(rest), held_out=held_out, validation_only=len(slices[chosen_on]))


def leave_group_out_split(codes: Ints, speakers: Ints, seed: int, fold: int) -> Split:
    """Test on group `fold` - 1, validate on a tenth of the speakers of the rest, train on the others.

    codes, speakers: (n,) groups from 0. Raises GlamError where fewer than two speakers are left.
    """
    tested = codes == fold - 1
    rest = np.unique(speakers[~tested])
    if len(rest) < 2:
        raise GlamError(
            f"without what fold {fold} is tested on, {len(rest)} speaker is left, and two are needed: one for "
            "validation and one for training. Use another protocol, or leave-speaker-out with "
            "split.validation=utterances."
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


def leave_speaker_out_within_split(speakers: Ints, seed: int, fold: int) -> Split:
    """Test on speaker `fold` - 1, validate on a tenth of the other utterances, drawn by the seed, train on the rest.

    speakers: (n,) groups from 0. Raises GlamError where fewer than two other utterances are left.
    """
    rest = np.flatnonzero(speakers != fold - 1)
    if len(rest) < 2:
        raise GlamError(f"without what fold {fold} is tested on, {len(rest)} utterance is left, and two are needed")
    drawn = rest[_permutation(len(rest), seed)[: max(1, len(rest) // VALIDATION)]]
    return _split(speakers == fold - 1, np.isin(np.arange(len(speakers)), drawn))


def random_speakers_split(
    speakers: Ints, seed: int, train_share: float = 0.8, kinds: Ints | None = None, validation: bool = True
) -> Split:
    """Cut the seed's permutation of the speakers at `train_share`; a tenth before the cut is for validation.

    speakers: (n,) groups from 0. kinds: (n,) kind of speaker, such as gender; the permutation of each kind is cut by
    itself. Raises GlamError where there are too few for a speaker in each part.
    """
    kind_of = np.zeros(int(speakers.max()) + 1, dtype=np.int64)
    if kinds is not None:
        kind_of[speakers] = kinds
    order = _permutation(len(kind_of), seed)
    test: list[Ints] = []
    choosing: list[Ints] = []
    for kind in np.unique(kind_of):
        of_kind = order[kind_of[order] == kind]
        size, least = int(len(of_kind) * train_share), 2 if validation else 1
        if not least <= size < len(of_kind):
            raise GlamError(
                f"split.name random-speakers cannot split {len(of_kind)} speakers with split.train_share "
                f"{train_share:g}: {size} would be for training{' and validation' * validation}, which need"
                f"{'' if validation else 's'} {('one', 'two')[validation]}, and {len(of_kind) - size} for test, which "
                "needs one. Use a corpus of more speakers or another share."
            )
        test.append(of_kind[size:])
        choosing.append(of_kind[size - _validation_speakers(size) * validation : size])
    return _split(np.isin(speakers, np.concatenate(test)), np.isin(speakers, np.concatenate(choosing)))


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
