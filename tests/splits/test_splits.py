"""Seeds and splits: the release's, in order."""

import json
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from glam.errors import GlamError
from glam.splits.groups import Grouping, Groups
from glam.splits.splits import (
    LEFT_OUT,
    Protocol,
    RunKey,
    Split,
    SplitSettings,
    fold_names,
    random_split,
    read_seeds,
    runs_of,
    seeds,
    split,
)

seed_values = st.integers(0, 2**32 - 1)


def test_seeds_are_the_releases() -> None:
    drawn = seeds()
    assert len(set(drawn)) == 100
    assert drawn[:3] == (2602656884, 3431165269, 3149797433)
    assert drawn[-1] == 122535323


def test_a_split_is_what_the_release_draws() -> None:
    """Written down once from NumPy's legacy generator, so that a change of it is noticed."""
    split = random_split(10, 2602656884)
    np.random.seed(2602656884)
    assert split.train.tolist() == np.random.choice(range(10), 8, replace=False).tolist()
    assert split.train.tolist() == [7, 9, 3, 2, 6, 0, 5, 4]
    assert split.held_out.tolist() == [8, 1]


@given(st.integers(5, 3000), seed_values, st.sampled_from([0.5, 0.8, 0.9]))
def test_a_split_is_a_permutation_cut_in_two_and_leaves_the_global_generator_alone(
    n: int, seed: int, share: float
) -> None:
    before = np.random.get_state()[1].copy()  # type: ignore[index,union-attr]
    split = random_split(n, seed, share)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # type: ignore[index]
    assert split.train.dtype == split.held_out.dtype == np.int64
    assert len(split.train) == int(n * share)
    assert sorted([*split.train, *split.held_out]) == list(range(n))
    again = np.random.RandomState(seed).choice(range(n), int(n * share), replace=False)
    np.testing.assert_array_equal(split.train, again)


@given(st.integers(10, 3000), seed_values)
def test_validation_and_test_halve_what_is_held_out(n: int, seed: int) -> None:
    split = random_split(n, seed)
    np.testing.assert_array_equal(np.concatenate([split.validation, split.test]), split.held_out)
    assert 0 <= len(split.test) - len(split.validation) <= 1


@pytest.mark.parametrize(("n", "share"), [(0, 0.8), (1, 0.8), (4, 0.1)])
def test_too_few_utterances_are_refused(n: int, share: float) -> None:
    with pytest.raises(GlamError, match=f"cannot split {n} utterances"):
        random_split(n, 1, share)


@pytest.mark.parity
@pytest.mark.parametrize("record", ["glam_impro_released", "glam_script_paper"])
def test_splits_are_those_of_the_recorded_runs(record: str, shared: Path) -> None:
    recorded = json.loads((shared / "parity" / f"{record}.json").read_text())
    ids = recorded["utterances"]
    split = random_split(len(ids), recorded["seed"])
    assert [ids[i] for i in split.train] == recorded["train_ids"]
    assert {ids[i] for i in split.held_out} == set(recorded["test_ids"])


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


def settings(protocol: Protocol) -> SplitSettings:
    return SplitSettings(protocol=protocol)


def parts(found: Split) -> list[np.ndarray]:
    return [found.train, found.held_out[: found.validation_only], found.scored]


def shared_groups(groups: Groups, attribute: str, one: np.ndarray, two: np.ndarray) -> set[int]:
    codes = groups[attribute].codes
    return set(codes[one].tolist()) & set(codes[two].tolist())


protocols: tuple[Protocol, ...] = get_args(Protocol)


@given(corpora(), seed_values, st.sampled_from(protocols))
def test_every_split_has_each_utterance_in_one_part(groups: Groups, seed: int, protocol: Protocol) -> None:
    n = len(groups["speaker"].codes)
    folds = fold_names(settings(protocol), groups)
    tested = []
    for run in runs_of([seed], len(folds)):
        found = split(settings(protocol), groups, run)
        assert sorted(np.concatenate(parts(found)).tolist()) == list(range(n))
        assert min(len(found.train), len(found.scored)) > 0
        tested.append(found.scored)
        again = split(settings(protocol), groups, run)
        for one, two in zip(parts(found), parts(again), strict=True):
            np.testing.assert_array_equal(one, two)
    if folds:
        assert sorted(np.concatenate(tested).tolist()) == list(range(n)), "the folds of a seed test everything once"


@given(corpora(), seed_values, st.sampled_from(list(LEFT_OUT)))
def test_a_fold_shares_what_it_leaves_out_with_no_other_part(groups: Groups, seed: int, protocol: Protocol) -> None:
    attribute = LEFT_OUT[protocol]
    names = fold_names(settings(protocol), groups)
    assert names == groups[attribute].names
    for run in runs_of([seed], len(names)):
        train, validation, test = parts(split(settings(protocol), groups, run))
        assert {names[code] for code in groups[attribute].codes[test]} == {names[(run.fold or 0) - 1]}
        for other in (train, validation):
            assert not shared_groups(groups, attribute, test, other)
        assert len(validation) > 0
        assert not shared_groups(groups, "speaker", train, validation)


def test_other_seeds_and_folds_validate_on_other_speakers() -> None:
    ids = [f"Ses0{n}{letter}" for n in range(1, 6) for letter in "FM"]
    groups = {"speaker": Grouping.of(ids), "session": Grouping.of([one[:5] for one in ids])}
    chosen = {
        run: parts(split(settings("leave-session-out"), groups, run))[1].tolist() for run in runs_of(range(20), 5)
    }
    assert {len(one) for one in chosen.values()} == {1}
    assert {one[0] for one in chosen.values()} == set(range(10))
    assert len({chosen[RunKey(3, fold)][0] for fold in range(1, 6)}) > 2


def test_who_tells_the_epoch_in_a_large_corpus_is_a_tenth_of_the_speakers() -> None:
    ids = [f"s{i:03}" for i in range(100)]
    groups = {"speaker": Grouping.of(ids), "session": Grouping.of([one[:3] for one in ids])}
    found = split(settings("leave-session-out"), groups, RunKey(1, 1))
    assert [len(part) for part in parts(found)] == [81, 9, 10]
    assert [len(part) for part in parts(split(settings("random-speakers"), groups, RunKey(1)))] == [72, 8, 20]


@given(corpora(), seed_values)
def test_whoever_speaks_with_the_speaker_left_out_is_not_trained_on(groups: Groups, seed: int) -> None:
    for run in runs_of([seed], len(groups["speaker"].names)):
        train, validation, test = parts(split(settings("leave-speaker-out"), groups, run))
        assert not shared_groups(groups, "session", train, test)
        company = shared_groups(groups, "session", validation, test)
        alone = (groups["session"].codes == groups["session"].codes[test[0]]).sum() == len(test)
        assert bool(company) is not alone


def test_speakers_of_one_session_are_left_out_all_the_same() -> None:
    groups = {"speaker": Grouping.of(list("aabbccdd")), "session": Grouping.of(["s"] * 8)}
    for run in runs_of([3], 4):
        train, validation, test = parts(split(settings("leave-speaker-out"), groups, run))
        assert [len(train), len(validation), len(test)] == [4, 2, 2]


@given(corpora(), seed_values)
def test_random_speakers_are_whole_in_one_part(groups: Groups, seed: int) -> None:
    train, validation, test = parts(split(settings("random-speakers"), groups, RunKey(seed)))
    for one, two in ((train, validation), (train, test), (validation, test)):
        assert not shared_groups(groups, "speaker", one, two)
    count = len(groups["speaker"].names)
    sizes = [len(set(groups["speaker"].codes[part].tolist())) for part in (train, validation, test)]
    assert sizes[1:] == [1, count - int(count * 0.8)]


@given(st.integers(10, 3000), seed_values, st.integers(2, 10))
def test_k_folds_are_slices_of_the_seeds_permutation(n: int, seed: int, folds: int) -> None:
    groups = {"speaker": Grouping.of(["a"] * n)}
    found = [split(SplitSettings(protocol="k-fold", folds=folds), groups, run) for run in runs_of([seed], folds)]
    order = np.random.RandomState(seed).permutation(n)
    np.testing.assert_array_equal(np.concatenate([one.held_out for one in found]), order)
    assert len({len(one.held_out) for one in found}) <= 2
    np.testing.assert_array_equal(found[-1].train, order[: len(found[-1].train)])
    assert all(one.validation_only == 0 for one in found)


def test_folds_and_seeds_written_down_once() -> None:
    """So that a change of what a seed and a fold stand for is noticed."""
    groups = {
        "speaker": Grouping.of(["1F", "1M", "2F", "2M", "3F", "3M"]),
        "session": Grouping.of(["1", "1", "2", "2", "3", "3"]),
        "scenario": Grouping.of(list("abcabc")),
    }

    def found(protocol: Protocol, run: RunKey) -> list[list[int]]:
        return [part.tolist() for part in parts(split(settings(protocol), groups, run))]

    assert found("leave-session-out", RunKey(7, 1)) == [[2, 4, 5], [3], [0, 1]]
    assert found("leave-session-out", RunKey(9, 1)) == [[2, 3, 4], [5], [0, 1]]
    assert found("leave-speaker-out", RunKey(7, 4)) == [[0, 1, 4, 5], [2], [3]]
    assert found("leave-scenarios-out", RunKey(7, 3)) == [[0, 1, 3], [4], [2, 5]]
    assert found("random-speakers", RunKey(7)) == [[0, 3, 5], [2], [1, 4]]
    assert found("k-fold", RunKey(7, 5)) == [[3, 5, 0, 2, 1], [], [4]]
    assert [RunKey(7).draws, RunKey(7, 1).draws, RunKey(7, 2).draws] == [7, 369571992, 1009178997]


def test_a_run_is_named_by_seed_and_fold() -> None:
    assert [one.name for one in runs_of([5, 6], 2)] == ["5-fold1", "5-fold2", "6-fold1", "6-fold2"]
    assert [one.name for one in runs_of([5, 6], 0)] == ["5", "6"]
    assert [str(RunKey(5)), str(RunKey(5, 2))] == ["seed 5", "seed 5, fold 2"]


@given(st.lists(st.tuples(seed_values, st.integers(1, 12)), min_size=2, max_size=2, unique=True))
def test_other_folds_draw_other_numbers(keys: list[tuple[int, int]]) -> None:
    one, two = (RunKey(seed, fold) for seed, fold in keys)
    assert one.draws != two.draws
    assert 0 <= one.draws < 2**32
    assert RunKey(one.seed).draws == one.seed


@pytest.mark.parametrize(
    ("protocol", "attribute"), [(p, LEFT_OUT.get(p, "speaker")) for p in protocols if p not in ("random", "k-fold")]
)
def test_a_corpus_that_cannot_is_told_what_is_missing(protocol: Protocol, attribute: str) -> None:
    def groups(names: list[str]) -> Groups:
        whole = {name: Grouping.of(list("abcdefgh")) for name in ("speaker", "session", "scenario")}
        return whole | {attribute: Grouping.of(names)}

    for names, said in (
        (["x"] * 8, f"{protocol} needs two {attribute}s or more; the 8 utterances have one, x"),
        (["x", "y", "z", ""] * 2, f"{attribute} of every utterance, .* 2 of 8"),
    ):
        run = runs_of([1], len(fold_names(settings(protocol), groups(names))))[0]
        with pytest.raises(GlamError, match=said):
            split(settings(protocol), groups(names), run)


def test_too_few_speakers_for_a_share_and_utterances_for_folds_are_refused() -> None:
    groups = {"speaker": Grouping.of(list("abc"))}
    with pytest.raises(
        GlamError, match=r"random-speakers cannot split 3 speakers with split.train_share 0.5: 1 .* 2 for"
    ):
        split(SplitSettings(protocol="random-speakers", train_share=0.5), groups, RunKey(1))
    both = {"speaker": Grouping.of(list("aab")), "session": Grouping.of(list("112"))}
    with pytest.raises(GlamError, match=r"without what fold 1 is tested on, 1 speaker is left"):
        split(settings("leave-session-out"), both, RunKey(1, 1))
    with pytest.raises(GlamError, match=r"cannot cut 3 utterances into split.folds 5"):
        split(settings("k-fold"), groups, RunKey(1, 1))


@pytest.mark.parametrize(
    ("given_settings", "said"),
    [
        ({"protocol": "leave-session-out", "folds": 4}, "folds belongs to protocol k-fold"),
        ({"protocol": "k-fold", "train_share": 0.5}, "not k-fold"),
        ({"protocol": "k-fold", "folds": 1}, "greater than or equal to 2"),
        ({"protocol": "loso"}, "leave-session-out"),
    ],
)
def test_settings_that_do_nothing_are_refused(given_settings: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        SplitSettings.model_validate(given_settings)


def test_a_file_of_seeds_is_read_in_its_order(tmp_path: Path) -> None:
    path = tmp_path / "seeds.txt"
    path.write_text("7\r\n\n 4294967295 \n0\n")
    assert read_seeds(path) == [7, 4294967295, 0]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"1\n4294967296\n", "line 2: found '4294967296'"),
        (b"-1\n", "line 1: found '-1'"),
        (b"1e3\n", "line 1"),
        ("²\n".encode(), "line 1"),
        (b"5\n6\n5\n", "line 3: the seed 5 stands twice"),
        (b"\xff\xfe1\n", "cannot be read"),
        (b"9" * 5000, "line 1: found '9{40}', expected"),
    ],
)
def test_a_line_that_is_no_seed_is_named(content: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "seeds.txt"
    path.write_bytes(content)
    with pytest.raises(GlamError, match=said):
        read_seeds(path)


def test_a_missing_file_of_seeds_is_named(tmp_path: Path) -> None:
    with pytest.raises(GlamError, match=r"none\.txt"):
        read_seeds(tmp_path / "none.txt")
