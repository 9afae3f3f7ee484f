"""The protocols: what a fold leaves out is in no other part, and who chooses the epoch is nobody that is tested."""

from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import TypeAdapter

from glam.errors import GlamError
from glam.recipe import checked
from glam.splits.groups import Grouping, Groups
from glam.splits.protocol import Protocol
from glam.splits.protocols import PROTOCOLS, AnyProtocol, LeaveSessionOut
from glam.splits.runs import RunKey, runs_of
from glam.splits.splits import Split, k_fold_split

Ints = NDArray[np.int64]
seed_values = st.integers(0, 2**32 - 1)
LEFT_OUT = {"leave-session-out": "session", "leave-speaker-out": "speaker", "leave-scenarios-out": "scenario"}
OF_SPEAKERS = [name for name in PROTOCOLS[:6] if name not in ("random", "k-fold")]  # the others: test_known.py


def protocol(name: str, **options: Any) -> Protocol:
    """The protocol of that name, as a recipe chooses it."""
    adapter: TypeAdapter[Protocol] = TypeAdapter(AnyProtocol)
    return adapter.validate_python({"name": name, **options})


@st.composite
def corpora(draw: st.DrawFn) -> Groups:
    """Utterances of 3 to 7 sessions, each of one or more speakers, who all act all of 3 to 13 scenarios."""
    speakers = [
        f"s{session}{letter}"
        for session in range(draw(st.integers(3, 7)))
        for letter in "FMX"[: draw(st.integers(1, 3))]
    ]
    scenarios = range(draw(st.integers(3, 13)))
    rows = draw(st.permutations([(speaker, f"c{scenario:02}") for speaker in speakers for scenario in scenarios]))
    return {
        "speaker": Grouping.of([speaker for speaker, _ in rows]),
        "session": Grouping.of([speaker[:2] for speaker, _ in rows]),
        "scenario": Grouping.of([scenario for _, scenario in rows]),
    }


def parts(split: Split) -> list[Ints]:
    return [split.train, split.held_out[: split.validation_only], split.scored]


def shared_groups(groups: Groups, kind: str, first: Ints, second: Ints) -> set[int]:
    codes = groups[kind].codes
    return set(codes[first].tolist()) & set(codes[second].tolist())


def test_every_protocol_is_among_those_that_recipes_can_name() -> None:
    classes = get_args(get_args(AnyProtocol)[0])
    assert len(PROTOCOLS) == len(set(PROTOCOLS)) == len(classes)
    assert [protocol(name).name for name in PROTOCOLS] == list(PROTOCOLS)
    assert [type(protocol(name)) for name in PROTOCOLS] == list(classes)


@pytest.mark.parametrize(
    ("name", "options", "title", "left_out", "own_validation", "single_class"),
    [
        ("random", {}, "random splits of utterances", None, False, False),
        ("k-fold", {}, "folds of utterances", None, False, False),
        ("k-fold", {"validation": "next"}, "folds of utterances, the next one for validation", None, True, False),
        ("leave-session-out", {}, "leave one session out", "session", True, False),
        ("leave-speaker-out", {}, "leave one speaker out", "speaker", True, False),
        ("leave-scenarios-out", {}, "leave one scenario out", "scenario", True, True),
        ("random-speakers", {}, "random splits of whole speakers", None, True, False),
        ("random-speakers", {"validation": False}, "random splits of whole speakers", None, False, False),
        (
            "random-speakers",
            {"balanced_by": "gender"},
            "random splits of whole speakers, balanced by gender",
            None,
            True,
            False,
        ),
    ],
)
def test_what_a_protocol_says_of_itself(
    name: str, options: dict[str, Any], title: str, left_out: str | None, own_validation: bool, single_class: bool
) -> None:
    chosen = protocol(name, **options)
    assert (chosen.title, chosen.left_out) == (title, left_out)
    assert (chosen.own_validation, chosen.single_class) == (own_validation, single_class)


@given(corpora(), seed_values, st.sampled_from(["random", "k-fold", *OF_SPEAKERS]))
def test_every_split_has_each_utterance_in_one_part(groups: Groups, seed: int, name: str) -> None:
    n = len(groups["speaker"].codes)
    chosen = protocol(name)
    folds = chosen.folds_of(groups)
    tested = []
    for run in runs_of([seed], len(folds)):
        split = chosen.split(groups, run)
        assert sorted(np.concatenate(parts(split)).tolist()) == list(range(n))
        assert min(len(split.train), len(split.scored)) > 0
        assert bool(split.validation_only) == chosen.own_validation
        tested.append(split.scored)
        again = chosen.split(groups, run)
        for part, same in zip(parts(split), parts(again), strict=True):
            np.testing.assert_array_equal(part, same)
    if folds:
        assert sorted(np.concatenate(tested).tolist()) == list(range(n)), "the folds of a seed test everything once"


@given(corpora(), seed_values, st.sampled_from(list(LEFT_OUT)))
def test_a_fold_shares_what_it_leaves_out_with_no_other_part(groups: Groups, seed: int, name: str) -> None:
    kind = LEFT_OUT[name]
    chosen = protocol(name)
    names = chosen.folds_of(groups)
    assert names == groups[kind].names
    for run in runs_of([seed], len(names)):
        train, validation, test = parts(chosen.split(groups, run))
        assert {names[code] for code in groups[kind].codes[test]} == {names[(run.fold or 0) - 1]}
        for other in (train, validation):
            assert not shared_groups(groups, kind, test, other)
        assert len(validation) > 0
        assert not shared_groups(groups, "speaker", train, validation)


def test_other_seeds_and_folds_validate_on_other_speakers() -> None:
    ids = [f"Ses0{n}{letter}" for n in range(1, 6) for letter in "FM"]
    groups = {"speaker": Grouping.of(ids), "session": Grouping.of([speaker[:5] for speaker in ids])}
    leave_one_out = protocol("leave-session-out")
    chosen = {run: parts(leave_one_out.split(groups, run))[1].tolist() for run in runs_of(range(20), 5)}
    assert {len(validation) for validation in chosen.values()} == {1}
    assert {validation[0] for validation in chosen.values()} == set(range(10))
    assert len({chosen[RunKey(3, fold)][0] for fold in range(1, 6)}) > 2


def test_who_tells_the_epoch_in_a_large_corpus_is_a_tenth_of_the_speakers() -> None:
    ids = [f"s{i:03}" for i in range(100)]
    groups = {"speaker": Grouping.of(ids), "session": Grouping.of([speaker[:3] for speaker in ids])}
    split = protocol("leave-session-out").split(groups, RunKey(1, 1))
    assert [len(part) for part in parts(split)] == [81, 9, 10]
    assert [len(part) for part in parts(protocol("random-speakers").split(groups, RunKey(1)))] == [72, 8, 20]


@given(corpora(), seed_values)
def test_whoever_speaks_with_the_speaker_left_out_is_not_trained_on(groups: Groups, seed: int) -> None:
    for run in runs_of([seed], len(groups["speaker"].names)):
        train, validation, test = parts(protocol("leave-speaker-out").split(groups, run))
        assert not shared_groups(groups, "session", train, test)
        company = shared_groups(groups, "session", validation, test)
        alone = (groups["session"].codes == groups["session"].codes[test[0]]).sum() == len(test)
        assert bool(company) is not alone


def test_speakers_of_one_session_are_left_out_all_the_same() -> None:
    groups = {"speaker": Grouping.of(list("aabbccdd")), "session": Grouping.of(["s"] * 8)}
    for known in (groups, {"speaker": groups["speaker"]}):  # and where nobody knows of sessions
        for run in runs_of([3], 4):
            train, validation, test = parts(protocol("leave-speaker-out").split(known, run))
            assert [len(train), len(validation), len(test)] == [4, 2, 2]


@given(corpora(), seed_values)
def test_random_speakers_are_whole_in_one_part(groups: Groups, seed: int) -> None:
    train, validation, test = parts(protocol("random-speakers").split(groups, RunKey(seed)))
    for first, second in ((train, validation), (train, test), (validation, test)):
        assert not shared_groups(groups, "speaker", first, second)
    count = len(groups["speaker"].names)
    sizes = [len(set(groups["speaker"].codes[part].tolist())) for part in (train, validation, test)]
    assert sizes[1:] == [1, count - int(count * 0.8)]


@given(seed_values)
def test_balanced_parts_have_equal_shares_of_each_kind_of_speaker(seed: int) -> None:
    names = [f"{kind}{i}" for kind in ("female", "male") for i in range(10)] * 2
    groups = {"speaker": Grouping.of(names), "gender": Grouping.of([name[:-1] for name in names])}
    split = protocol("random-speakers", balanced_by="gender").split(groups, RunKey(seed))
    for part, count in zip(parts(split), (7, 1, 2), strict=True):
        of_part = {groups["speaker"].names[code] for code in groups["speaker"].codes[part]}
        assert sum(name.startswith("female") for name in of_part) == count
        assert sum(name.startswith("male") for name in of_part) == count


@given(st.integers(10, 3000), seed_values, st.integers(2, 10))
def test_k_folds_are_those_of_the_seed_and_the_fold(n: int, seed: int, folds: int) -> None:
    groups = {"speaker": Grouping.of(["a"] * n)}
    assert protocol("k-fold", folds=folds).folds_of(groups) == tuple(f"slice {fold}" for fold in range(1, folds + 1))
    for run in runs_of([seed], folds):
        for validation in ("none", "next") if folds > 2 else ("none",):
            of_run = protocol("k-fold", folds=folds, validation=validation).split(groups, run)
            assert run.fold is not None
            expected = k_fold_split(n, seed, run.fold, folds, validation == "next")
            np.testing.assert_array_equal(of_run.train, expected.train)
            np.testing.assert_array_equal(of_run.held_out, expected.held_out)
            assert of_run.validation_only == expected.validation_only


def test_folds_and_seeds_written_down_once() -> None:
    """So that a change of what a seed and a fold stand for is noticed."""
    groups = {
        "speaker": Grouping.of(["1F", "1M", "2F", "2M", "3F", "3M"]),
        "session": Grouping.of(["1", "1", "2", "2", "3", "3"]),
        "scenario": Grouping.of(list("abcabc")),
    }

    def split(name: str, run: RunKey) -> list[list[int]]:
        return [part.tolist() for part in parts(protocol(name).split(groups, run))]

    assert split("leave-session-out", RunKey(7, 1)) == [[2, 4, 5], [3], [0, 1]]
    assert split("leave-session-out", RunKey(9, 1)) == [[2, 3, 4], [5], [0, 1]]
    assert split("leave-speaker-out", RunKey(7, 4)) == [[0, 1, 4, 5], [2], [3]]
    assert split("leave-scenarios-out", RunKey(7, 3)) == [[0, 1, 3], [4], [2, 5]]
    assert split("random-speakers", RunKey(7)) == [[0, 3, 5], [2], [1, 4]]
    assert split("k-fold", RunKey(7, 5)) == [[3, 5, 0, 2, 1], [], [4]]


@pytest.mark.parametrize(("name", "kind"), [(name, LEFT_OUT.get(name, "speaker")) for name in OF_SPEAKERS])
def test_a_corpus_that_cannot_is_told_what_is_missing(name: str, kind: str) -> None:
    def groups(names: list[str]) -> Groups:
        whole = {known: Grouping.of(list("abcdefgh")) for known in ("speaker", "session", "scenario")}
        return whole | {kind: Grouping.of(names)}

    for names, message in (
        (["x"] * 8, f"{name} needs two {kind}s or more; the 8 utterances have one, x"),
        (["x", "y", "z", ""] * 2, f"{kind} of every utterance, .* 2 of 8"),
    ):
        run = runs_of([1], len(protocol(name).folds_of(groups(names))))[0]
        with pytest.raises(GlamError, match=message):
            protocol(name).split(groups(names), run)


@pytest.mark.parametrize(
    ("name", "options", "kind"),
    [
        ("leave-session-out", {}, "session"),
        ("leave-scenarios-out", {}, "scenario"),
        ("random-speakers", {"balanced_by": "gender"}, "gender"),
    ],
)
def test_a_corpus_that_tells_no_such_kind_of_group_is_told_so(name: str, options: dict[str, Any], kind: str) -> None:
    groups = {"speaker": Grouping.of(list("abcdef")), "recording": Grouping.of(list("abcdef"))}
    chosen = protocol(name, **options)
    assert chosen.folds_of(groups) == ()
    with pytest.raises(
        GlamError, match=rf"{name} needs the {kind} of every .* tells none; it tells speaker, recording"
    ):
        chosen.split(groups, RunKey(1, 1))


def test_too_few_speakers_for_a_share_and_utterances_for_folds_are_refused() -> None:
    groups = {"speaker": Grouping.of(list("abc"))}
    with pytest.raises(
        GlamError, match=r"random-speakers cannot split 3 speakers with split.train_share 0.5: 1 .* 2 for"
    ):
        protocol("random-speakers", train_share=0.5).split(groups, RunKey(1))
    both = {"speaker": Grouping.of(list("aab")), "session": Grouping.of(list("112"))}
    with pytest.raises(GlamError, match=r"without what fold 1 is tested on, 1 speaker is left"):
        protocol("leave-session-out").split(both, RunKey(1, 1))
    with pytest.raises(GlamError, match=r"cannot cut 3 utterances into split.folds 5"):
        protocol("k-fold").split(groups, RunKey(1, 1))


def test_a_run_of_folds_is_one_of_them() -> None:
    groups = {"speaker": Grouping.of(list("abcdef")), "session": Grouping.of(list("112233"))}
    for chosen in (protocol("k-fold"), LeaveSessionOut(name="leave-session-out")):
        with pytest.raises(ValueError, match="a run of it is one fold"):
            chosen.split(groups, RunKey(1))


@pytest.mark.parametrize(
    ("split", "message"),
    [
        (
            {"name": "leave-session-out", "folds": 4},
            r"there is no field split\.folds\. Allowed in leave-session-out: name, seed$",
        ),
        (
            {"name": "k-fold", "train_share": 0.5},
            r"there is no field split\.train_share\. Allowed in k-fold: name, seed, folds, validation$",
        ),
        (
            {"name": "random", "folds": 5},
            r"there is no field split\.folds\. Allowed in random: name, seed, train_share$",
        ),
        ({"name": "k-fold", "folds": 1}, r"split\.folds: given 1; input should be greater than or equal to 2"),
        ({"train_share": 1.0}, r"split\.train_share: given 1\.0; input should be less than 1"),
        ({"name": "k-fold", "validation": "last"}, r"split\.validation: given 'last'; .*'none' or 'next'"),
        ("loso", r"split: given 'loso', expected one of 'random', 'k-fold', 'leave-session-out'"),
    ],
)
def test_settings_that_do_nothing_are_refused(split: object, message: str) -> None:
    with pytest.raises(GlamError, match=message):
        checked({"split": split}, "this recipe")


def test_a_recipe_chooses_by_name_alone_or_without_one() -> None:
    assert checked({"split": "leave-speaker-out"}, "").split == protocol("leave-speaker-out")
    assert checked({"split": {"train_share": 0.9}}, "").split == protocol("random", train_share=0.9)
    assert checked({}, "").split == protocol("random")
