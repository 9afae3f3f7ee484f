import math

import numpy as np
import pytest
from evaluation.results import known, reason
from scipy import stats

from glam.evaluation.power import runs_needed, smallest_difference


@pytest.mark.parametrize(
    ("stds", "number"),
    [
        # the textbook numbers at 5 %, 80 % (Cohen 1988; G*Power): effects 0.2, 0.5, 0.8
        ([5.0], 199),
        ([2.0], 34),
        ([1.25], 15),
        ([5.0, 5.0], 394),
        ([2.0, 2.0], 64),
        ([1.25, 1.25], 26),
    ],
)
def test_runs_needed_of_the_textbooks(stds: list[float], number: int) -> None:
    assert runs_needed(stds, [0] * len(stds)) == number


def power(std: float, ratio: float, n: int, to_show: float = 1.0, level: float = 0.05) -> float:
    error = std * math.sqrt(1 / n + ratio)
    return float(stats.nct.sf(stats.t.ppf(1 - level / 2, n - 1), n - 1, to_show / error))


@pytest.mark.parametrize(("std", "ratio"), [(math.sqrt(2.5), 0), (0.5, 0.25), (0.7, 0.25), (0.71, 0.25), (0.9, 1 / 9)])
def test_runs_needed_against_the_noncentral_t(std: float, ratio: float) -> None:
    n = int(known(runs_needed([std], [ratio])))
    assert power(std, ratio, n) >= 0.8
    assert power(std, ratio, n - 1) < 0.8


def test_no_number_of_runs_shows_what_one_corpus_cannot() -> None:
    # the error never falls below std / 2 at 80/20, and 80 % power needs 1 >= (1.95996 + 0.84162) * std / 2:
    # std must be below 0.71388
    assert runs_needed([0.715], [0.25]) == math.inf
    assert 1000 < known(runs_needed([0.713], [0.25])) < math.inf
    assert known(runs_needed([0.715], [0.25], to_show=1.01)) < math.inf
    assert runs_needed([1.5, 1.5], [0.25, 0.25]) == math.inf


def test_runs_needed_at_the_ends() -> None:
    assert runs_needed([1e-9], [0]) == 2
    assert runs_needed([1e5], [0]) == pytest.approx(7.849e10, rel=1e-3)  # (1.95996 + 0.84162)^2 * 1e10


@pytest.mark.parametrize("stds", [[0.0], [1e-200], [1.5, 0.0], [0.0, 0.0]])
def test_no_number_of_runs_without_spread(stds: list[float]) -> None:
    assert "without spread" in reason(runs_needed(stds, [0.25] * len(stds)))
    assert "without spread" in reason(smallest_difference(stds, [5] * len(stds), [0.25] * len(stds)))


@pytest.mark.parametrize(("runs", "points"), [(3, 22.8), (5, 5.2), (10, 2.2), (100, 0.69)])
def test_the_smallest_difference_from_a_print_in_a_table_of_48_tests(runs: int, points: float) -> None:
    """Improvised GLAM's WA, 81.18 ± 1.47 over 100 runs, ours as variable: below these, no difference is marked."""
    marked, shown = known(smallest_difference([1.47, 1.47], [runs, 100], [0, 0], tests=48))
    assert marked == pytest.approx(points, abs=0.05)
    assert shown > marked


def test_two_runs_show_no_difference_that_there_can_be() -> None:
    assert reason(smallest_difference([1.47, 1.47], [2, 100], [0, 0], tests=48)) == (
        "with 2 and 100 runs and 48 tests, only a difference of 504 points would be significant, more than there is"
    )
    assert "one run" in reason(smallest_difference([1.47, 1.47], [1, 100], [0, 0]))


@pytest.mark.parametrize(("runs", "ratio", "tests"), [(5, 0.0, 1), (10, 0.25, 1), (30, 1 / 9, 6), (3, 0.0, 4)])
def test_the_smallest_difference_against_the_noncentral_t(runs: int, ratio: float, tests: int) -> None:
    marked, shown = known(smallest_difference([1.3], [runs], [ratio], tests=tests))
    error = 1.3 * math.sqrt(1 / runs + ratio)
    assert 2 * stats.t.sf(marked / error, runs - 1) == pytest.approx(0.05 / tests)
    assert power(1.3, ratio, runs, shown, 0.05 / tests) == pytest.approx(0.8, abs=1e-6)


def test_the_smallest_difference_is_what_the_runs_needed_show() -> None:
    n = int(known(runs_needed([2.0], [0], to_show=1.5)))
    assert (
        known(smallest_difference([2.0], [n], [0])).shown <= 1.5 < known(smallest_difference([2.0], [n - 1], [0])).shown
    )


def test_the_smallest_difference_is_found_in_four_of_five_simulated_tests() -> None:
    """Of Welch's test, whose runs have unequal spread and number, so that its degrees of freedom are not whole."""
    marked, shown = known(smallest_difference([1.0, 2.0], [6, 12], [0, 0]))
    rng = np.random.default_rng(3)
    ours, theirs = rng.normal(shown, 1.0, (4000, 6)), rng.normal(0, 2.0, (4000, 12))
    p = stats.ttest_ind(ours, theirs, axis=1, equal_var=False).pvalue
    assert np.mean(p < 0.05) == pytest.approx(0.8, abs=0.03)
    assert marked < shown


@pytest.mark.parametrize("wanted", [0.06, 0.5, 0.999])
def test_any_power_can_be_asked_for(wanted: float) -> None:
    shown = known(smallest_difference([1.0], [2], [0], power=wanted)).shown
    assert power(1.0, 0, 2, shown) == pytest.approx(wanted, abs=1e-3)


@pytest.mark.parametrize(
    ("stds", "ratios", "options", "message"),
    [
        ([1.0], [0.0, 0.0], {}, "expected one or two of each"),
        ([1.0], [0.0], {"to_show": 0.0}, "to_show must be above 0"),
        ([1.0], [0.0], {"power": 1.0}, "power"),
        ([1.0], [0.0], {"power": 0.04}, "above the level of 0.05"),
        ([-1.0], [0.0], {}, "standard deviation"),
        ([1.0], [-0.1], {}, "ratio"),
        ([1.0], [0.0], {"confidence": 95.0}, "confidence"),
    ],
)
def test_nonsense_is_refused(stds: list[float], ratios: list[float], options: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        runs_needed(stds, ratios, **options)
    if "to_show" not in options:
        with pytest.raises(ValueError, match=message):
            smallest_difference(
                stds,
                [5] * len(stds),
                ratios,
                power=options.get("power", 0.8),
                confidence=options.get("confidence", 0.95),
            )


def test_a_family_has_a_test() -> None:
    with pytest.raises(ValueError, match="0 tests"):
        smallest_difference([1.0], [5], [0], tests=0)
