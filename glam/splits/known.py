"""Protocols that hold for every seed: folds of whole groups by a fixed rule, and what a corpus gives itself."""

from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BeforeValidator, Field

from glam.errors import GlamError
from glam.splits.groups import Grouping, Groups
from glam.splits.protocol import Protocol, fold_of, known
from glam.splits.runs import RunKey
from glam.splits.splits import Ints, Split, leave_group_out_split
from glam.words import counted, plural

LISTED, LONGEST = 8, 20  # groups in the name of a fold, and letters of each


def _empty_if_none(value: Any) -> Any:
    return "" if value is None else value


Name = Annotated[str, BeforeValidator(_empty_if_none)]  # `--set split.validation=` is null in YAML


class GroupFolds(Protocol):
    """Folds of whole groups. of: the kind of group: speaker, text. folds: how many.

    balanced_by: a kind of group, such as `gender`, of which every fold has as equal a share as can be. The rule: the
    groups of each kind, by name, are dealt to the folds in turn. The same for every seed.
    """

    name: Literal["group-folds"]
    of: str = "speaker"
    folds: int = Field(5, ge=2)
    balanced_by: Name = ""

    @property
    def uses(self) -> tuple[str, ...]:
        """See Protocol."""
        return (self.of, "speaker", self.balanced_by)

    @property
    def left_out(self) -> str:
        """See Protocol."""
        return self.of

    @property
    def title(self) -> str:
        """The protocol in words."""
        balanced = f", balanced by {self.balanced_by}" if self.balanced_by else ""
        return f"folds of whole {plural(self.of)}, dealt by name{balanced}"

    def folds_of(self, groups: Groups) -> tuple[str, ...]:
        """See Protocol."""
        if self.of not in groups:
            return ()
        dealt, names = self._dealt(groups), groups[self.of].names
        folds = [[name for name, fold in zip(names, dealt, strict=True) if fold == k] for k in range(self.folds)]
        return tuple(f"{k + 1}: {_listed(fold)}" for k, fold in enumerate(folds))

    def split(self, groups: Groups, run: RunKey) -> Split:
        """See Protocol."""
        codes = self._dealt(groups)[known(groups, self.of, self.name)]
        return leave_group_out_split(codes, _whole(groups, codes), self.seed_of(run), fold_of(run))

    def _dealt(self, groups: Groups) -> Ints:
        """The fold, from 0, of each group."""
        codes, names = known(groups, self.of, self.name), groups[self.of].names
        if len(names) < self.folds:
            size = counted(len(names), self.of)
            raise GlamError(f"split.folds {self.folds}: there are {size}, and each fold needs one. Use fewer.")
        kinds = np.zeros(len(names), dtype=np.int64)
        if self.balanced_by:
            of_utterance = known(groups, self.balanced_by, self.name)
            kinds[codes] = of_utterance
            if mixed := [name for i, name in enumerate(names) if len(np.unique(of_utterance[codes == i])) > 1]:
                raise GlamError(
                    f"split.balanced_by {self.balanced_by}: the {self.of} {mixed[0]} has more than one; "
                    "set split.balanced_by to nothing"
                )
        order = np.lexsort((np.arange(len(names)), kinds))  # the names are sorted
        dealt = np.empty(len(names), dtype=np.int64)
        dealt[order] = np.arange(len(names)) % self.folds
        return dealt


class Parts(Protocol):
    """The parts of a corpus. of: the kind of group that tells them. train, validation, test: what each is called there.

    With an empty `validation` the epoch is chosen on what is tested. What is in no part is not used.
    """

    name: Literal["parts"]
    of: str = "part"
    train: str = "train"
    validation: Name = "dev"
    test: str = "test"

    @property
    def uses(self) -> tuple[str, ...]:
        """See Protocol."""
        return (self.of,)

    @property
    def own_validation(self) -> bool:
        """True where a part is for choosing the epoch."""
        return bool(self.validation)

    @property
    def fixed(self) -> bool:
        """True: the parts are the same for every seed."""
        return True

    @property
    def title(self) -> str:
        """The protocol in words."""
        used = ", ".join(part for part in (self.train, self.validation, self.test) if part)
        return f"the corpus's own parts ({self.of}: {used})"

    def split(self, groups: Groups, run: RunKey) -> Split:
        """See Protocol."""
        grouping = _given(groups, self.of, self.name)
        train, validation, test = (
            self._part(grouping, part, field) if part else np.empty(0, dtype=np.int64)
            for part, field in ((self.train, "train"), (self.validation, "validation"), (self.test, "test"))
        )
        held_out = np.concatenate([validation, test])
        return Split(train=train, held_out=held_out, validation_only=len(validation))

    def _part(self, grouping: Grouping, part: str, field: str) -> Ints:
        if part not in grouping.names:
            none = "; set split.validation to nothing to choose the epoch on the test part" * (field == "validation")
            raise GlamError(
                f"split.{field} {part}: the {self.of} of no utterance is {part}; there are "
                f"{', '.join(name for name in grouping.names if name)}{none}"
            )
        return np.flatnonzero(grouping.codes == grouping.names.index(part)).astype(np.int64)


class PublishedFolds(Protocol):
    """The folds that a corpus gives. of: the kind of group that tells them."""

    name: Literal["published-folds"]
    of: str = "fold"

    @property
    def left_out(self) -> str:
        """See Protocol."""
        return self.of

    @property
    def title(self) -> str:
        """The protocol in words."""
        return f"published folds ({self.of})"

    def folds_of(self, groups: Groups) -> tuple[str, ...]:
        """See Protocol."""
        return groups[self.of].names if self.of in groups else ()

    def split(self, groups: Groups, run: RunKey) -> Split:
        """See Protocol."""
        _given(groups, self.of, self.name)
        codes = known(groups, self.of, self.name)
        return leave_group_out_split(codes, _whole(groups, codes), self.seed_of(run), fold_of(run))


def _listed(names: list[str]) -> str:
    """The names of a fold's groups, shortened where they are many or long: the rule tells them all."""
    few = [name if len(name) <= LONGEST else f"{name[: LONGEST - 3]}..." for name in names[:LISTED]]
    return ", ".join(few) + (f" and {len(names) - LISTED} more" if len(names) > LISTED else "")


def _whole(groups: Groups, codes: Ints) -> Ints:
    """What validation is a tenth of: the speakers, where all are known and each is in one fold; else the folds."""
    speakers = groups["speaker"]
    pairs = np.unique(np.stack([speakers.codes, codes]), axis=1)
    return speakers.codes if all(speakers.names) and len(pairs.T) == len(speakers.names) else codes


def _given(groups: Groups, kind: str, protocol: str) -> Grouping:
    """The grouping of that kind; GlamError, with those there are, where the corpus tells none."""
    if kind not in groups:
        raise GlamError(
            f"split.of {kind}: {protocol} takes what the corpus tells of every utterance, and it tells no {kind}; it "
            f"tells {', '.join(groups)}. Set split.of to one of these, or use another protocol."
        )
    return groups[kind]
