from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from glam.corpora import CORPORA, load_corpus
from glam.corpora.utterances import Corpus, Problem, Utterance
from glam.errors import GlamError
from glam.inputs.cut import Segments, Whole
from glam.splits.population import (
    RELEASED_LABELS,
    Composition,
    CorpusSettings,
    Population,
    composition_line,
    population,
)
from glam.splits.protocols import KFold, LeaveScenariosOut, LeaveSpeakerOut, Random

SHORT = Segments(name="segments", length=0.5, train_overlap=0.1, test_overlap=0.1)


@pytest.fixture
def corpus(tiny_release: Path, tmp_path: Path) -> Corpus:
    return load_corpus("iemocap", tiny_release, tmp_path / "index")


def test_the_population_is_sorted_and_its_targets_follow_the_order_of_the_labels(corpus: Corpus) -> None:
    settings = CorpusSettings(labels={"happy": ("exc",), "rest": ("neu", "ang")})
    people = population(corpus, settings, SHORT)
    assert [utterance.id for utterance in people.utterances] == sorted(utterance.id for utterance in people.utterances)
    assert {(utterance.label, target) for utterance, target in zip(people.utterances, people.targets, strict=True)} == {
        ("exc", 0),
        ("neu", 1),
        ("ang", 1),
    }


def test_an_utterance_of_exactly_one_segment_is_kept_and_shorter_ones_are_counted(corpus: Corpus) -> None:
    lengths = sorted(utterance.samples for utterance in corpus.utterances)
    seconds = lengths[3] / 16000
    cut = Segments(name="segments", length=seconds, train_overlap=0, test_overlap=0)
    people = population(corpus, CorpusSettings(), cut)
    assert len(people.utterances) == 37
    assert sum(people.too_short.values()) == 3
    assert "3 more were shorter" in people.composition()


def test_a_minimum_length_makes_models_of_other_segments_split_the_same_list(corpus: Corpus) -> None:
    lengths = sorted(utterance.samples for utterance in corpus.utterances)
    longer = Segments(name="segments", length=lengths[9] / 16000, train_overlap=0, test_overlap=0)
    shorter = Segments(name="segments", length=lengths[2] / 16000, train_overlap=0, test_overlap=0)
    common = CorpusSettings(min_length=longer.length)
    people = population(corpus, common, shorter)
    assert people.utterances == population(corpus, CorpusSettings(), longer).utterances
    assert (sum(people.too_short.values()), sum(people.left_out.values())) == (9, 7)
    assert people.stored == population(corpus, CorpusSettings(), shorter).stored, "features are shared all the same"
    line = people.composition()
    assert "31 utterances" in line
    assert f"2 more were shorter than one segment and left out, 7 more shorter than {longer.length:g} s" in line
    assert "min_length" not in population(corpus, CorpusSettings(), shorter).composition()
    assert population(corpus, common, longer).left_out == {}
    repeated = Segments(name="segments", length=5, padding="repeat")
    assert population(corpus, common, repeated).utterances == people.utterances
    with pytest.raises(GlamError, match=r"corpus.min_length, 9 s"):
        population(corpus, CorpusSettings(min_length=9), shorter)


def of_two_styles(corpus: Corpus) -> Corpus:
    """The corpus with the first two of its five sessions scripted."""
    return replace(
        corpus,
        utterances=tuple(
            replace(utterance, groups={**utterance.groups, "style": "scripted"})
            if utterance.group("session") < "Ses03"
            else utterance
            for utterance in corpus.utterances
        ),
    )


def test_parts_of_a_corpus_share_what_is_stored(corpus: Corpus) -> None:
    both = of_two_styles(corpus)
    wheres: list[dict[str, Any]] = [{"style": "improvised"}, {"style": ["scripted"]}, {}]
    of_part = [population(both, CorpusSettings(where=where), SHORT) for where in wheres]
    assert all(people.stored == of_part[0].stored for people in of_part)
    assert len(of_part[0].stored) == 40
    assert {people.settings.part: len(people.utterances) for people in of_part} == {
        "improvised": 24,
        "scripted": 16,
        "full": 40,
    }


@pytest.mark.parametrize(
    ("where", "part", "count"),
    [
        ({}, "full", 40),
        ({"style": ["improvised", "scripted"]}, "improvised-scripted", 40),
        ({"style": "scripted", "gender": "female"}, "scripted-female", 8),  # all of them must hold
        ({"speaker": ["Ses01F", "Ses03M"]}, "Ses01F-Ses03M", 8),
        ({"session": "Ses05", "style": "improvised"}, "Ses05-improvised", 8),
    ],
)
def test_a_part_is_of_any_kinds_of_group(corpus: Corpus, where: dict[str, Any], part: str, count: int) -> None:
    people = population(of_two_styles(corpus), CorpusSettings(where=where), SHORT)
    assert (people.settings.part, len(people.utterances)) == (part, count)
    assert people.facts().part == part
    assert people.composition().startswith(f"iemocap, {part}: {count} utterances")


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ({"style": "sung"}, r"no utterance whose style is sung; there are improvised, scripted$"),
        ({"style": ["scripted", "sung", "read"]}, "no utterance whose style is sung, read"),
        ({"speaker": "Ses09F"}, "whose speaker is Ses09F; there are Ses01F, .* and 2 more"),
        ({"mood": "good"}, "whose mood is good; it knows of dialogue, .*, style .--set corpus.where=[{]}: all of it"),
    ],
)
def test_a_part_that_there_is_not_is_explained(corpus: Corpus, where: dict[str, Any], message: str) -> None:
    with pytest.raises(GlamError, match=f"corpus.where: .*{message}"):
        population(of_two_styles(corpus), CorpusSettings(where=where), SHORT)


def test_a_part_whose_utterances_are_all_too_short_is_explained(corpus: Corpus) -> None:
    cut = Segments(name="segments", length=3)
    with pytest.raises(
        GlamError, match=r"in the part Ses02 with the labels .* there are 8, all too short for segments"
    ):
        population(corpus, CorpusSettings(where={"session": "Ses02"}), cut)


def test_whole_utterances_are_never_too_short(corpus: Corpus) -> None:
    people = population(corpus, CorpusSettings(), Whole(name="whole", longest=0.1))
    assert len(people.utterances) == 40
    assert people.too_short == {}


def test_the_composition_says_what_a_class_is_made_of_and_what_could_not_be_used(corpus: Corpus) -> None:
    broken = replace(corpus, problems=(Problem("unreadable audio", "x", "y"),))
    settings = CorpusSettings(labels={"happy": ("exc", "hap"), "other": ("neu",)})
    line = composition_line(population(broken, settings, SHORT).facts())
    assert "10 happy (10 exc + 0 hap)" in line
    assert "10 other (10 neu)" in line
    alone = CorpusSettings(labels={"neu": ("neu",), "happy": ("exc",)})
    alike = composition_line(population(broken, alone, SHORT).facts())
    assert "10 neu, 10 happy (10 exc);" in alike  # said once
    assert "not used, unreadable audio: 1" in line


def test_the_composition_survives_being_written_and_read(corpus: Corpus) -> None:
    broken = replace(corpus, problems=(Problem("unreadable audio", "x", "y"),))
    facts = population(broken, CorpusSettings(where={"session": "Ses01"}, min_length=0.9), SHORT).facts()
    again = Composition.model_validate_json(facts.model_dump_json())
    assert again == facts
    assert composition_line(again) == composition_line(facts)


def test_classes_without_labels_of_their_own_are_the_released_ones_or_one_a_label(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert CorpusSettings().labels == CorpusSettings(name="synthetic").labels == RELEASED_LABELS
    assert CorpusSettings().of(corpus) == CorpusSettings()
    monkeypatch.setitem(CORPORA, "another", CORPORA["iemocap"])
    settings = CorpusSettings(name="another", where={"session": "Ses01"})
    assert settings.classes == ()
    of_corpus = settings.of(corpus)
    assert of_corpus.labels == {"ang": ("ang",), "exc": ("exc",), "neu": ("neu",), "sad": ("sad",)}
    assert of_corpus.where == settings.where
    people = population(corpus, settings, SHORT)
    assert people.settings.classes == ("ang", "exc", "neu", "sad")
    assert len(people.utterances) == 8


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "imocap"}, "no corpus 'imocap'.* iemocap, synthetic"),
        ({"labels": {"a": ["neu"]}}, "at least two classes are needed, found 1"),
        ({"labels": {"a": ["neu", "sad"], "b": ["sad"]}}, "sad is in more than one class"),
        ({"labels": {"a": ["neu"], "b": []}}, "no label of the corpus makes b"),
        ({"min_length": -1}, "min_length"),
        ({"style": "full"}, "style"),
    ],
)
def test_settings_that_make_no_sense_are_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        CorpusSettings.model_validate(settings)


def test_the_order_of_classes_and_groups_identifies_an_experiment_and_spelling_does_not() -> None:
    labels = {"a": ("neu",), "b": ("sad", "ang")}
    first = CorpusSettings(labels=labels, where={"style": ("scripted",)})
    assert first.scientific() == {
        "where": {"style": ["scripted"]},
        "labels": [["a", ["neu"]], ["b", ["sad", "ang"]]],
    }
    spelt = CorpusSettings.model_validate({"labels": {"a": "neu", "b": ["sad", "ang"]}, "where": {"style": "scripted"}})
    assert spelt.scientific() == first.scientific()
    turned = CorpusSettings(labels=dict(reversed(labels.items())), where={"style": ("scripted",)})
    assert turned.scientific() != first.scientific()


def test_what_the_population_belongs_to_and_its_folds(corpus: Corpus) -> None:
    people = population(corpus, CorpusSettings(), SHORT)
    assert list(people.groups) == [
        *("speaker", "session", "dialogue", "scenario", "recording", "gender", "style", "text")
    ]
    assert [people.groups["speaker"].names[code] for code in people.groups["speaker"].codes] == [
        utterance.speaker for utterance in people.utterances
    ]
    assert people.folds(Random(name="random")) == ()
    assert people.folds(KFold(name="k-fold", folds=3)) == ("slice 1", "slice 2", "slice 3")
    assert people.folds(LeaveSpeakerOut(name="leave-speaker-out")) == tuple(
        f"Ses0{session}{letter}" for session in range(1, 6) for letter in "FM"
    )


def test_a_population_too_small_for_its_protocol_is_named_with_corpus_and_part(corpus: Corpus) -> None:
    people = population(corpus, CorpusSettings(where={"session": "Ses01"}), SHORT)
    with pytest.raises(GlamError, match=r"^corpus iemocap, Ses01: split\.name leave-scenarios-out needs two scenarios"):
        people.folds(LeaveScenariosOut(name="leave-scenarios-out"))
    with pytest.raises(GlamError, match=r"^corpus iemocap, Ses01: cannot cut 8 utterances into split\.folds 9"):
        people.folds(KFold(name="k-fold", folds=9))
    with pytest.raises(GlamError, match=r"^corpus iemocap, Ses01: cannot split 8 utterances"):
        people.folds(Random(name="random", train_share=0.01))


@pytest.mark.parametrize("labels", [{"a": ("neu",), "b": ("sur",)}, {"a": ("dis",), "b": ("sur",)}])
def test_a_class_without_utterances_is_explained(corpus: Corpus, labels: dict[str, tuple[str, ...]]) -> None:
    with pytest.raises(GlamError, match=r"no usable utterance.*10 neu"):
        population(corpus, CorpusSettings(labels=labels), SHORT)


def test_labels_as_a_list_are_each_a_class() -> None:
    settings = CorpusSettings.model_validate({"name": "emodb", "labels": ["anger", "sadness"]})
    assert settings.labels == {"anger": ("anger",), "sadness": ("sadness",)}


def test_a_table_is_in_the_identity_by_its_content_and_its_columns(tmp_path: Path) -> None:
    path = tmp_path / "lab.csv"
    path.write_text("file,feeling\na.wav,joy\n")
    settings = CorpusSettings(name=str(path), columns={"emotion": "feeling"})
    assert settings.title == "lab.csv"
    identity = settings.scientific()
    assert (identity["name"], identity["columns"]) == ("lab.csv", {"emotion": "feeling"})
    path.write_text("file,feeling\na.wav,fear\n")
    assert CorpusSettings(name=str(path), columns={"emotion": "feeling"}).scientific() != identity
    with pytest.raises(ValueError, match="is not the file that was recorded"):
        CorpusSettings.model_validate(settings.model_dump())
    assert settings.index(tmp_path) != CorpusSettings(name=str(path)).index(tmp_path)


@pytest.mark.parametrize("name", ["gone.csv", "gone.yaml", "emodbb"])
def test_a_corpus_that_is_not_there(name: str) -> None:
    with pytest.raises(ValueError, match=r"cannot be read|there is no such|there is no corpus"):
        CorpusSettings(name=name)


def test_groups_that_splits_depend_on_count_where_files_beside_a_corpus_tell_them() -> None:
    def people(name: str, speaker: str) -> Population:
        utterances = tuple(
            Utterance(f"u{i}", "ab"[i % 2], speaker, f"u{i}.wav", samples=9, sha256="0") for i in range(4)
        )
        corpus = Corpus(name, Path("there"), utterances=utterances)
        settings = CorpusSettings(name=name, labels={"a": ("a",), "b": ("b",)})
        return population(corpus, settings, Whole(name="whole"))

    first, other = people("emodb", "x"), people("emodb", "y")
    assert first.digest == other.digest
    assert first.digest_with(["speaker"]) != other.digest_with(["speaker"])
    assert first.digest_with(["gender", ""]) == other.digest_with(["gender"])
    assert people("iemocap", "x").digest_with(["speaker"]) == people("iemocap", "y").digest
