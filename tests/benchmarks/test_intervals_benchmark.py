"""The simulation behind the interval over speakers: small, with fixed seeds; the benchmark itself runs longer."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.intervals import KINDS, METHODS, BySpeaker, Kind, bca, coverage, drawn, few_runs, sizes_of, weighted
from glam.evaluation.intervals import mean_over_groups
from glam.evaluation.unknown import Unknown

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "intervals.py"


@pytest.mark.parametrize("kind", KINDS, ids=[kind.title for kind in KINDS])
@pytest.mark.parametrize("utterances", [600, 2236])
def test_the_interval_over_speakers_holds_the_mean_and_the_one_over_runs_does_not(kind: Kind, utterances: int) -> None:
    methods = coverage(kind, 10, utterances, corpora=600, runs=10, seed=1)
    assert 93 <= methods["t"].held <= 97
    assert methods["beyond"].held < 90
    assert methods["boot"].held < 93
    assert methods["beyond"].width < methods["t"].width


@pytest.mark.parametrize(("runs", "utterances", "withheld"), [(3, 76, 75), (3, 448, 65), (5, 25, 85)])
def test_runs_one_utterance_apart_would_be_falsely_certain(runs: int, utterances: int, withheld: float) -> None:
    """Which is why they have no interval; those that are given hold the score as they say."""
    few = few_runs(runs, utterances, experiments=6000, seed=1)
    assert few.given >= 94
    assert few.withheld < withheld
    assert few.coarse > 1


def test_two_runs_are_equal_or_one_utterance_apart_by_chance_alone() -> None:
    few = few_runs(2, 25, experiments=2000, seed=1)
    assert 12 < few.equal < 20
    assert 20 < few.coarse < 32
    assert few.given > 99  # t with one df is wide


def test_speakers_of_equal_size_make_weighted_and_plain_t_the_same() -> None:
    rng = np.random.default_rng(2)
    seen = BySpeaker(drawn(np.full(8, 50), 2, rng), rng)
    seen.sizes = np.full(8, 50)
    seen.weights, seen.mean = np.full(8, 1 / 8), float(seen.scores.mean())
    plain = mean_over_groups(seen.scores)
    assert not isinstance(plain, Unknown)
    assert weighted(seen) == pytest.approx(plain.interval)


def test_bca_is_scipys() -> None:
    from scipy import stats

    rng = np.random.default_rng(3)
    seen = BySpeaker(drawn(np.full(12, 50), 20, rng), rng)
    seen.sizes = np.full(12, 50)
    seen.mean = float(seen.scores.mean())
    seen.resampled = seen.scores[rng.integers(0, 12, (50_000, 12))].mean(axis=1)
    expected = stats.bootstrap((seen.scores,), np.mean, n_resamples=50_000, rng=rng).confidence_interval
    assert bca(seen) == pytest.approx(tuple(expected), abs=0.1)


def test_corpora_are_what_they_are_said_to_be() -> None:
    rng = np.random.default_rng(4)
    sizes = sizes_of(10, 2236, equal=False, rng=rng)
    assert sizes.sum() == 2236
    assert 3 < sizes.max() / sizes.min() < 40
    seen = [BySpeaker(drawn(np.full(10, 1000), 5, rng), rng).scores for _ in range(100)]
    assert np.mean(seen) == pytest.approx(75, abs=1)
    assert np.std(seen, ddof=1) == pytest.approx(8, abs=0.6)  # and 1.6 of it the utterances' own


def test_the_command_prints_the_tables_and_the_verdict_last(tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPT), "--corpora", "3", "--runs", "3"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert [line.split()[0] for line in lines[-2:]] == ["lowest", "highest"]
    assert len(lines[-1].split()) == 1 + len(METHODS)
    for kind in KINDS:
        assert kind.title in done.stdout


@pytest.mark.parametrize(("flag", "value"), [("--runs", "1"), ("--runs", "a,3"), ("--corpora", "0"), ("--seed", "-1")])
def test_what_makes_no_sense_is_refused(flag: str, value: str) -> None:
    done = subprocess.run([sys.executable, SCRIPT, flag, value], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert flag in done.stderr
    assert "Traceback" not in done.stderr
