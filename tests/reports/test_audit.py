"""What splits share: by hand on eight utterances, and the known figures of IEMOCAP."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from glam.corpora.utterances import Corpus, Problem, Utterance
from glam.errors import GlamError
from glam.recipe import load_recipe
from glam.reports.audit import Audit, audit, audit_text
from glam.reports.sharing import audit_line
from glam.splits.population import population
from glam.splits.runs import seeds
from glam.splits.splits import random_split

SHORT = ("cut", {"length": 0.5, "train_overlap": 0.25, "test_overlap": 0.25})


def utterance(name: str, label: str, samples: int = 16000, sha256: str | None = None) -> Utterance:
    dialogue, turn = name.rsplit("_", 1)
    return Utterance(
        id=name,
        label=label,
        speaker=dialogue[:5] + turn[0],
        audio=f"{name}.wav",
        groups={
            "session": dialogue[:5],
            "dialogue": dialogue,
            "scenario": dialogue.split("_", 1)[1],
            "style": "improvised" if "impro" in dialogue else "scripted",
        },
        samples=samples,
        size=1,
        mtime_ns=1,
        sha256=sha256 or name,
    )


def corpus(utterances: list[Utterance], *problems: Problem, synthetic: bool = False) -> Corpus:
    ordered = tuple(sorted(utterances, key=lambda utterance: utterance.id))
    return Corpus("iemocap", Path("/corpus"), synthetic, ordered, problems, False, ())


def small() -> Corpus:
    """Eight utterances in two scenarios and four dialogues, and one of each reason to be left out."""
    used = [
        utterance("Ses01F_impro01_F000", "neu"),
        utterance("Ses01F_impro01_M001", "neu"),
        utterance("Ses01F_impro02_F000", "sad"),
        utterance("Ses01F_impro02_M001", "sad", sha256="same"),
        utterance("Ses02F_impro01_F000", "neu"),
        utterance("Ses02F_impro01_M001", "ang"),
        utterance("Ses02F_impro02_F000", "sad", sha256="same"),
        utterance("Ses02F_impro02_M001", "exc"),
    ]
    dropped = [
        utterance("Ses01F_impro01_F009", "neu", samples=7999),
        utterance("Ses01F_impro01_F010", "hap"),
        utterance("Ses01F_impro01_F011", "xxx", samples=1),
        utterance("Ses01F_script01_1_F000", "neu"),
    ]
    return corpus([*used, *dropped], Problem("no audio", "a", ""), Problem("no audio", "b", ""))


def test_a_small_corpus_by_hand() -> None:
    recipe = load_recipe("glam-released", [SHORT])
    (seed,) = seeds()[:1]
    audited = audit(small(), recipe, [seed])
    split = random_split(8, seed)
    ids = [utterance.id for utterance in audited.population.utterances]
    train, test = {ids[i] for i in split.train}, {ids[i] for i in split.held_out}
    assert (len(train), len(test)) == (6, 2)
    speakers = [{name[:5] + name[-4] for name in part} for part in (train, test)]
    overlap = audited.sharing.overlaps["speakers"]
    both = speakers[0] & speakers[1]
    assert (overlap.whole, overlap.train, overlap.test, overlap.both) == (4, *map(len, speakers), len(both))
    assert overlap.seen == 100 * sum(name[:5] + name[-4] in speakers[0] for name in test) / 2
    assert (audited.sharing.overlaps["utterances"].both, audited.sharing.overlaps["utterances"].seen) == (0, 0)
    assert [(dropped.count, dropped.kinds) for dropped in audited.dropped] == [
        (1, {"scripted": 1}),
        (2, {"hap": 1, "xxx": 1}),
        (1, {"neutral": 1}),
    ]
    assert audited.population.unusable == {"no audio": 2}
    # everyone: 3 neutral and 3 sad, the first wins; impro01: 3 of 4 neutral, impro02: 3 of 4 sad
    assert [reference.in_sample.wa for reference in audited.sharing.references.values()] == [37.5, 75.0, 75.0]


def test_identical_recordings_are_counted_where_they_lie_on_both_sides() -> None:
    recipe = load_recipe("glam-released", [SHORT])
    audited = audit(small(), recipe, seeds())
    ids = [utterance.id for utterance in audited.population.utterances]
    twins = [ids.index("Ses01F_impro02_M001"), ids.index("Ses02F_impro02_F000")]
    apart = [len(set(twins) & set(random_split(8, seed).held_out.tolist())) == 1 for seed in seeds()]
    assert 0 < sum(apart) < 100
    assert audited.sharing.overlaps["recordings"].whole == 7
    assert audited.sharing.overlaps["recordings"].both == pytest.approx(np.mean(apart))


def test_leaving_a_session_out_by_hand() -> None:
    recipe = load_recipe("glam-released", [SHORT, ("split.name", "leave-session-out")])
    audited = audit(small(), recipe, [7])
    assert [sorted(split.scored.tolist()) for split in audited.sharing.splits] == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert [(len(split.train), split.validation_only) for split in audited.sharing.splits] == [(2, 2), (2, 2)]
    assert audited.test.tolist() == [[2, 2, 0, 0], [1, 1, 1, 1]]
    speakers, scenarios = audited.sharing.overlaps["speakers"], audited.sharing.overlaps["scenarios"]
    assert (speakers.whole, speakers.train, speakers.test, speakers.both, speakers.seen) == (4, 1, 2, 0, 0)
    assert (scenarios.test, scenarios.both, scenarios.seen) == (2, 2, 100)
    # Ses01 F or M alone says that impro01 is neutral and impro02 sad: 2 of 4 right in Ses02. Of Ses02, F says the same
    # (4 of 4 right in Ses01); M says angry and happy (none).
    (pooled,) = audited.sharing.references["the majority of its scenario"].test
    validation = audited.population.utterances[audited.sharing.splits[0].held_out[0]].speaker
    assert pooled.wa == {"Ses02M": 75.0, "Ses02F": 25.0}[validation]
    text = audit_text(audited)
    assert "protocol: leave one session out, 1 seed of 2 folds: 2 for training, 2 for validation, 4 for test" in text
    assert "pooled over the folds" in text
    assert "in short: test shares with training 0 of 2 speakers, 0 of 2 dialogues, 2 of 2 scenarios" in text


def test_what_a_corpus_does_not_know_is_left_out() -> None:
    whole = small()
    style = {utterance.id: {"style": utterance.group("style")} for utterance in whole.utterances}
    unknown = {"scenario": "", "dialogue": ""}
    for groups in ({}, unknown):  # kinds of groups that the corpus does not have, or does not know
        ignorant = tuple(replace(u, groups=style[u.id] | groups) for u in whole.utterances)
        audited = audit(replace(whole, utterances=ignorant), load_recipe("glam-released", [SHORT]), [7])
        assert "scenarios" not in audited.sharing.overlaps
        assert list(audited.sharing.references) == ["the majority class"]
        assert "scenario" not in audit_line(audited.sharing)
        with pytest.raises(GlamError, match="leave-scenarios-out needs the scenario of every utterance"):
            audit(
                replace(whole, utterances=ignorant),
                load_recipe("glam-released", [SHORT, ("split.name", "leave-scenarios-out")]),
                [7],
            )


def test_the_text_says_it_all() -> None:
    text = audit_text(audit(small(), load_recipe("glam-released", [SHORT]), seeds()[:3]))
    for part in (
        "protocol: random splits of utterances, 3 splits: 6 for training, 2 for test",
        "| recordings | 7 ",
        "| neutral | 3 (37.5 %) |",
        "label not in the recipe: 2 (1 hap, 1 xxx)",
        "too short for segments of 0.5 s: 1 (1 neutral)",
        "no audio: 2",
    ):
        assert part in text
    assert "SYNTHETIC" not in text


def test_a_synthetic_corpus_is_called_so() -> None:
    made = corpus(list(small().utterances), synthetic=True)
    assert "SYNTHETIC" in audit_text(audit(made, load_recipe("glam-released", [SHORT]), seeds()[:1]))


def test_nothing_dropped_is_said() -> None:
    whole = corpus([utterance for utterance in small().utterances if utterance.label in ("neu", "sad", "ang", "exc")])
    text = audit_text(audit(whole, load_recipe("glam-released", [SHORT, ("corpus.where", {})]), seeds()[:1]))
    assert "too short for segments of 0.5 s: 1" in text
    usable = corpus([utterance for utterance in whole.utterances if utterance.samples == 16000])
    text = audit_text(audit(usable, load_recipe("glam-released", [SHORT, ("corpus.where", {})]), seeds()[:1]))
    assert text.endswith("every utterance of the corpus is in the recipe")


def test_a_recipe_that_cannot_run_is_refused() -> None:
    with pytest.raises(GlamError, match="no usable utterance"):
        audit(small(), load_recipe("glam-released", [("cut.length", 5.0)]), seeds()[:1])


@pytest.fixture(scope="module")
def iemocap(shared: Path) -> Corpus:
    """IEMOCAP as its list of ids, labels and lengths has it."""
    with (shared / "corpora" / "iemocap-index.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return corpus([utterance(row["utterance"], row["label"], int(row["samples"])) for row in rows])


@pytest.mark.parametrize("protocol", ["leave-session-out", "leave-speaker-out"])
def test_the_scenario_gives_it_away_to_new_speakers_too_but_the_dialogue_does_not(
    iemocap: Corpus, protocol: str
) -> None:
    audited = audit(iemocap, load_recipe("glam-released", [("split.name", protocol)]), seeds()[:3])
    was = [np.mean([scores.wa for scores in reference.test]) for reference in audited.sharing.references.values()]
    assert was == pytest.approx([39.5, 79.5, 39.5], abs=0.0501)
    assert audited.sharing.overlaps["speakers"].both == audited.sharing.overlaps["dialogues"].both == 0


def test_leaving_scenarios_out_leaves_nothing_to_go_by(iemocap: Corpus) -> None:
    audited = audit(iemocap, load_recipe("glam-released", [("split.name", "leave-scenarios-out")]), seeds()[:3])
    assert audited.folds == 12
    assert [audited.sharing.overlaps[name].both for name in ("scenarios", "dialogues")] == [0, 0]
    for reference in audited.sharing.references.values():
        assert [scores.ua for scores in reference.test] == pytest.approx([25.0] * 3)


def where(part: str) -> tuple[str, dict[str, str]]:
    return "corpus.where", {"style": part} if part != "full" else {}


@pytest.mark.parametrize("part", ["improvised", "scripted", "full"])
def test_with_a_minimum_length_glam_splits_the_list_of_the_baselines(iemocap: Corpus, part: str) -> None:
    glam = load_recipe("glam-released", [where(part), ("corpus.min_length", 2.0)])
    baseline = load_recipe("mhcnn-released", [where(part)])
    of_glam, of_baseline = (population(iemocap, recipe.corpus, recipe.cut) for recipe in (glam, baseline))
    assert [u.id for u in of_glam.utterances] == [u.id for u in of_baseline.utterances]
    assert len(of_glam.utterances) == {"improvised": 2118, "scripted": 1966, "full": 4084}[part]


def known(iemocap: Corpus, part: str, length: float) -> Audit:
    cut = {"length": length, "train_overlap": length / 2, "test_overlap": length / 2}
    recipe = load_recipe("glam-released", [where(part), ("cut", cut)])
    return audit(iemocap, recipe, seeds()[:20])


@pytest.mark.parametrize(
    ("part", "length", "utterances", "scenario", "dialogue"),
    [
        ("improvised", 0.1, 2659, 79.5, 81.7),
        ("improvised", 1.8, 2236, 80.1, 82.3),
        ("scripted", 0.1, 2277, 61.4, 67.9),
        ("scripted", 1.8, 2075, 62.1, 68.6),
    ],
)
def test_the_scenario_gives_the_emotion_away(
    iemocap: Corpus, part: str, length: float, utterances: int, scenario: float, dialogue: float
) -> None:
    audited = known(iemocap, part, length)
    assert len(audited.population.utterances) == utterances
    in_sample = [reference.in_sample.wa for reference in audited.sharing.references.values()]
    assert in_sample[1:] == pytest.approx([scenario, dialogue], abs=0.0501)


def test_fitted_on_training_the_scenario_is_as_good(iemocap: Corpus) -> None:
    audited = known(iemocap, "improvised", 1.8)
    on_test = [np.mean([scores.wa for scores in reference.test]) for reference in audited.sharing.references.values()]
    assert on_test[1] == pytest.approx(79.9, abs=0.05)
    assert [audited.sharing.overlaps[name].whole for name in ("speakers", "dialogues", "scenarios")] == [10, 80, 12]
    assert audited.sharing.overlaps["speakers"].both == 10
    assert [(dropped.reason, dropped.count) for dropped in audited.dropped] == [
        ("not improvised", 2588),
        ("label not in the recipe", 284),
        ("too short for segments of 1.8 s", 423),
    ]
