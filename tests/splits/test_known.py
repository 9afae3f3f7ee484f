"""Protocols that hold for every seed: folds of groups by a rule, the parts and folds that a corpus gives."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from glam.errors import GlamError
from glam.recipe import load_recipe, parse_override
from glam.splits.crossing import refuse_copies, warnings
from glam.splits.groups import Grouping, Groups
from glam.splits.protocol import Protocol
from glam.splits.protocols import AnyProtocol
from glam.splits.runs import RunKey, runs_of
from glam.splits.splits import Split


def protocol(name: str, **options: Any) -> Protocol:
    adapter: TypeAdapter[Protocol] = TypeAdapter(AnyProtocol)
    return adapter.validate_python({"name": name, **options})


def groups_of(speakers: int, each: int = 4, **kinds: list[str]) -> Groups:
    """Utterances of so many speakers, women first and men every other, who all say the same texts."""
    names = [f"s{i:02}" for i in range(speakers) for _ in range(each)]
    grouped = {
        "speaker": names,
        "gender": ["mf"[int(name[1:]) % 2] for name in names],
        "text": [f"t{k}" for _ in range(speakers) for k in range(each)],
        "recording": [str(i) for i in range(len(names))],
    }
    return {kind: Grouping.of(of_kind) for kind, of_kind in (grouped | kinds).items()}


def names_of_tests(groups: Groups, chosen: Protocol, kind: str) -> list[set[str]]:
    names = groups[kind].names
    splits = [chosen.split(groups, run) for run in runs_of([1], len(chosen.folds_of(groups)))]
    return [{names[code] for code in groups[kind].codes[split.scored]} for split in splits]


@given(st.integers(4, 20), st.integers(2, 4), st.integers(0, 99))
def test_group_folds_test_every_group_once_and_share_none(speakers: int, folds: int, seed: int) -> None:
    groups = groups_of(speakers)
    chosen = protocol("group-folds", folds=folds, balanced_by="gender")
    codes, gender = groups["speaker"].codes, groups["gender"].codes
    held_out = []
    for run in runs_of([seed], folds):
        split = chosen.split(groups, run)
        parts = [set(codes[part]) for part in (split.train, split.held_out[: split.validation_only], split.scored)]
        assert all(parts)
        assert not parts[0] & parts[1]
        assert not parts[2] & (parts[0] | parts[1])
        held_out.append(split.scored)
        np.testing.assert_array_equal(split.scored, chosen.split(groups, RunKey(seed + 1, run.fold)).scored)
    assert sorted(np.concatenate(held_out).tolist()) == list(range(len(codes)))
    women = [len(set(codes[part][gender[part] == 0])) for part in held_out]
    assert max(women) - min(women) <= 1


def test_a_fold_is_named_for_its_groups() -> None:
    assert protocol("group-folds", folds=2, balanced_by="gender").folds_of(groups_of(4)) == (
        "1: s00, s01",
        "2: s02, s03",
    )
    chosen = protocol("group-folds", folds=2)
    assert (chosen.title, chosen.left_out) == ("folds of whole speakers, dealt by name", "speaker")


def test_folds_of_texts() -> None:
    assert names_of_tests(groups_of(3), protocol("group-folds", of="text", folds=4), "text") == [
        {"t0"},
        {"t1"},
        {"t2"},
        {"t3"},
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"folds": 9}, r"there are 4 speakers, and each fold needs one"),
        ({"of": "text", "folds": 2, "balanced_by": "gender"}, r"the text t0 has more than one"),
        ({"of": "session"}, r"needs the session of every utterance, and this corpus tells none"),
        ({"folds": 2, "balanced_by": "age"}, r"needs the age of every utterance"),
    ],
)
def test_group_folds_that_cannot_be(options: dict[str, Any], message: str) -> None:
    with pytest.raises(GlamError, match=message):
        protocol("group-folds", **options).split(groups_of(4), RunKey(1, 1))


def with_parts(names: str) -> Groups:
    meant = {"r": "train", "d": "dev", "t": "test", "2": "test2", " ": ""}
    return groups_of(len(names) // 2, 2, part=[meant[letter] for letter in names])


def test_parts_are_those_of_the_corpus_and_the_rest_is_not_used() -> None:
    split = protocol("parts").split(with_parts("rrdd tr2"), RunKey(5))
    assert split.train.tolist() == [0, 1, 6]
    assert split.held_out.tolist() == [2, 3, 5]
    assert split.validation_only == 2
    other = protocol("parts", test="test2", validation="").split(with_parts("rrdd tr2"), RunKey(6))
    assert (other.held_out.tolist(), other.validation_only) == ([7], 0)


@pytest.mark.parametrize(("name", "field"), [("parts", "validation"), ("group-folds", "balanced_by")])
def test_nothing_is_given_for_a_name(name: str, field: str) -> None:
    split = load_recipe("glam-released", [("split.name", name), parse_override(f"split.{field}=")]).split
    assert split == protocol(name, **{field: ""})


def test_parts_say_what_they_are() -> None:
    chosen = protocol("parts")
    assert (chosen.title, chosen.own_validation, chosen.fixed) == (
        "the corpus's own parts (part: train, dev, test)",
        True,
        True,
    )
    assert not protocol("parts", validation="").own_validation
    assert not protocol("random").fixed


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {},
            r"split.validation dev: the part of no utterance is dev; there are test, train; set split.validation to n",
        ),
        ({"validation": "", "test": "testing"}, r"split.test testing: .* there are test, train$"),
        ({"of": "audb"}, r"it tells no audb; it tells .*part"),
    ],
)
def test_parts_that_are_not_there(options: dict[str, Any], message: str) -> None:
    with pytest.raises(GlamError, match=message):
        protocol("parts", **options).split(with_parts("rrtt"), RunKey(1))


def test_published_folds_validate_on_other_speakers() -> None:
    folds = [fold for fold in "1122334455" for _ in range(4)]
    groups = groups_of(10, fold=folds)
    chosen = protocol("published-folds")
    assert chosen.folds_of(groups) == ("1", "2", "3", "4", "5")
    assert names_of_tests(groups, chosen, "fold") == [{"1"}, {"2"}, {"3"}, {"4"}, {"5"}]
    split = chosen.split(groups, RunKey(1, 1))
    assert len(set(groups["speaker"].codes[split.held_out[: split.validation_only]])) == 1


def test_published_folds_of_unknown_speakers_validate_on_a_fold() -> None:
    groups = groups_of(3, speaker=[""] * 12, fold=list("123" * 4))
    split = protocol("published-folds").split(groups, RunKey(1, 1))
    codes = groups["fold"].codes
    assert [len(set(codes[part])) for part in (split.train, split.held_out[: split.validation_only], split.scored)] == [
        1
    ] * 3
    with pytest.raises(GlamError, match=r"it tells no emobox"):
        protocol("published-folds", of="emobox").split(groups, RunKey(1, 1))


def test_two_speakers_leave_one_to_train_on() -> None:
    groups = groups_of(2, 20)
    with pytest.raises(GlamError, match=r"leave-speaker-out with split.validation=utterances"):
        protocol("leave-speaker-out").split(groups, RunKey(1, 1))
    for fold in (1, 2):
        split = protocol("leave-speaker-out", validation="utterances").split(groups, RunKey(1, fold))
        assert set(groups["speaker"].codes[split.scored]) == {fold - 1}
        assert (len(split.train), split.validation_only, len(split.scored)) == (18, 2, 20)


def test_copies_that_cross_are_refused_and_speakers_warned_of() -> None:
    split = Split(np.array([0, 1]), np.array([2, 3]))
    groups = groups_of(2, 2, original=["a", "b", "c", "b"])
    with pytest.raises(GlamError, match=r"1 utterance held out .*group-folds, of: original"):
        refuse_copies(groups, split)
    refuse_copies(groups_of(2, 2, original=["a", "b", "c", "d"]), split)
    shared = groups_of(2, 2, speaker=["x", "y", "x", "z"], recording=["1", "2", "3", "2"])
    assert warnings(shared, split, "its parts") == [
        "WARNING: 1 of 2 test utterances are of speakers who are trained on (its parts): "
        "the score is not of new speakers",
        "WARNING: the recordings of 1 test utterance are also trained on, byte for byte",
    ]
    assert warnings(groups_of(2, 2), split, "its parts") == []
    (line,) = warnings(groups_of(2, 2, file=["long", "", "long", ""]), split, "")
    assert line.startswith("WARNING: 1 of 2 test utterances are pieces of files")
