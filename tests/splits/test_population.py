from dataclasses import replace
from pathlib import Path

import pytest

from glam.corpora import load_corpus
from glam.corpora.utterances import Corpus, Problem
from glam.errors import GlamError
from glam.inputs.cut import SegmentSettings
from glam.splits.population import CorpusSettings, composition_line, population

SHORT = SegmentSettings(length=0.5, train_overlap=0.1, test_overlap=0.1)


@pytest.fixture
def corpus(tiny_release: Path, tmp_path: Path) -> Corpus:
    return load_corpus("iemocap", tiny_release, tmp_path / "index")


def test_the_population_is_sorted_and_its_targets_follow_the_order_of_the_labels(corpus: Corpus) -> None:
    settings = CorpusSettings(labels={"happy": ("exc",), "rest": ("neu", "ang")})
    people = population(corpus, settings, SHORT)
    assert [u.id for u in people.utterances] == sorted(u.id for u in people.utterances)
    assert {(u.label, t) for u, t in zip(people.utterances, people.targets, strict=True)} == {
        ("exc", 0),
        ("neu", 1),
        ("ang", 1),
    }


def test_an_utterance_of_exactly_one_segment_is_kept_and_shorter_ones_are_counted(corpus: Corpus) -> None:
    lengths = sorted(u.samples for u in corpus.utterances)
    seconds = lengths[3] / 16000
    segments = SegmentSettings(length=seconds, train_overlap=0, test_overlap=0)
    people = population(corpus, CorpusSettings(), segments)
    assert len(people.utterances) == 37
    assert sum(people.too_short.values()) == 3
    assert "3 more were shorter" in people.composition()


def test_a_minimum_length_makes_models_of_other_segments_split_the_same_list(corpus: Corpus) -> None:
    lengths = sorted(u.samples for u in corpus.utterances)
    longer = SegmentSettings(length=lengths[9] / 16000, train_overlap=0, test_overlap=0)
    shorter = SegmentSettings(length=lengths[2] / 16000, train_overlap=0, test_overlap=0)
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
    repeated = SegmentSettings(length=5, padding="repeat")
    assert population(corpus, common, repeated).utterances == people.utterances
    with pytest.raises(GlamError, match=r"corpus.min_length, 9 s"):
        population(corpus, CorpusSettings(min_length=9), shorter)


def test_styles_share_what_is_stored(corpus: Corpus) -> None:
    both = replace(
        corpus,
        utterances=tuple(replace(u, style="scripted") if u.session < "Ses03" else u for u in corpus.utterances),
    )
    of_style = {
        style: population(both, CorpusSettings.model_validate({"style": style}), SHORT)
        for style in ("improvised", "scripted", "full")
    }
    assert len({people.stored for people in of_style.values()}) == 1
    assert {s: len(p.utterances) for s, p in of_style.items()} == {"improvised": 24, "scripted": 16, "full": 40}


def test_the_composition_says_what_a_class_is_made_of_and_what_could_not_be_used(corpus: Corpus) -> None:
    broken = replace(corpus, problems=(Problem("unreadable audio", "x", "y"),))
    settings = CorpusSettings(labels={"happy": ("exc", "hap"), "other": ("neu",)})
    line = composition_line(population(broken, settings, SHORT).facts())
    assert "10 happy (10 exc + 0 hap)" in line
    assert "not used, unreadable audio: 1" in line


@pytest.mark.parametrize("labels", [{"a": ("neu",), "b": ("sur",)}, {"a": ("dis",), "b": ("sur",)}])
def test_a_class_without_utterances_is_explained(corpus: Corpus, labels: dict[str, tuple[str, ...]]) -> None:
    with pytest.raises(GlamError, match=r"no usable utterance.*10 neu"):
        population(corpus, CorpusSettings(labels=labels), SHORT)
