"""The corpus that the project makes: IEMOCAP's layout, the same everywhere, and nothing that gives a label away."""

import hashlib
import re
import wave
from collections import Counter, defaultdict
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import kruskal

from glam.corpora import load_corpus, synthetic, voice
from glam.corpora.made import SYNTHETIC_MARK
from glam.corpora.synthetic import EMOTIONS, LEXICON, make_corpus, plan
from glam.corpora.voice import Turn, sound
from glam.errors import GlamError

CLASSES = ("neu", "exc", "sad", "ang")
SHORTEST = 28_800  # samples of a segment of 1.8 s
TURN = re.compile(
    r"^\[(\d+\.\d{4}) - (\d+\.\d{4})\]\t(\S+)\t(\w{3})\t\[(\d\.\d{4}), (\d\.\d{4}), (\d\.\d{4})\]$", re.MULTILINE
)
VOTE = re.compile(r"^C-(E[123]|[FM]1):\t(\w+);\t\(\)$", re.MULTILINE)


def samples_of(path: Path) -> NDArray[np.int16]:
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 16_000)
        return np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")


@pytest.fixture(scope="module")
def turns() -> list[Turn]:
    return list(plan())


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("made") / "synthetic"
    make_corpus(root)
    return root


@pytest.fixture(scope="module")
def audio(corpus: Path) -> dict[str, NDArray[np.int16]]:
    return {path.stem: samples_of(path) for path in corpus.glob("Session*/sentences/wav/*/*.wav")}


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """A corpus of three utterances, for tests of how it is written."""
    monkeypatch.setattr(synthetic, "plan", lambda: islice(plan(), 3))


def test_it_lies_as_a_release_does(
    corpus: Path, turns: list[Turn], audio: dict[str, NDArray[np.int16]], tmp_path: Path
) -> None:
    assert sorted(path.name for path in corpus.iterdir()) == [SYNTHETIC_MARK, *(f"Session{k}" for k in range(1, 6))]
    assert "synthetic" in (corpus / SYNTHETIC_MARK).read_text()
    labelled: dict[str, tuple[str, int]] = {}
    speakers: dict[str, set[str]] = defaultdict(set)
    for labels in corpus.glob("Session*/dialog/EmoEvaluation/*.txt"):
        assert labels.parts[-4] == f"Session{labels.stem[4]}"
        words = (labels.parent.parent / "transcriptions" / labels.name).read_text().splitlines()
        text = labels.read_text()
        clock = 0.0
        for begin, end, name, label, *scores in TURN.findall(text):
            assert name.startswith(f"{labels.stem}_")
            assert float(begin) > clock
            clock = float(end)
            assert clock - float(begin) == pytest.approx(len(audio[name]) / 16_000, abs=2e-4)
            assert all(1 <= float(score) <= 5 for score in scores)
            line = next(line for line in words if line.startswith(f"{name} ["))
            assert re.fullmatch(rf"{name} \[\d{{3}}\.\d{{4}}-\d{{3}}\.\d{{4}}\]: [A-Z][\w ]*\.", line)
            labelled[name] = (label, len(audio[name]))
            speakers[labels.stem].add(name[:5] + name[-4])
        assert len(words) == len(TURN.findall(text))
        assert len(VOTE.findall(text)) == 4 * len(words)
        assert (labels.parents[2] / "sentences" / "wav" / labels.stem).is_dir()
    assert labelled == {turn.id: (turn.label, turn.samples) for turn in turns}
    assert labelled.keys() == audio.keys()
    # both actors speak in every dialogue, whoever wears the markers
    assert all(names == {f"{dialogue[:5]}F", f"{dialogue[:5]}M"} for dialogue, names in speakers.items())
    assert len(set().union(*speakers.values())) == 10
    assert {"Ses01F_impro05a", "Ses01M_impro05b", "Ses05M_script01_1b", "Ses03M_script03_2"} <= speakers.keys()

    read = load_corpus("synthetic", corpus, tmp_path / "index")
    assert read.synthetic
    assert not read.problems
    assert {utterance.id: (utterance.label, utterance.samples, utterance.words) for utterance in read.utterances} == {
        turn.id: (turn.label, turn.samples, turn.words) for turn in turns
    }
    assert {utterance.id: utterance.votes for utterance in read.utterances}.keys() == labelled.keys()
    assert sum(path.stat().st_size for path in corpus.rglob("*.wav")) < 120e6


def test_ids_labels_lengths_and_words_are_the_recorded_ones(turns: list[Turn]) -> None:
    text = "".join(f"{turn.id} {turn.label} {turn.samples} {turn.votes} {turn.scores}\n" for turn in turns)
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == "22e438b22ece6e90"
    text = "".join(f"{turn.id} {turn.begin} {turn.words} {turn.syllables}\n" for turn in turns)
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == "6fe644ba359ed578"


@pytest.mark.parametrize(
    ("name", "recorded"),
    [
        ("Ses01F_impro05a_F003", [-55, 22, 3, 5, -5, -5, -5, -11, 598, -938, -1688, 477]),
        ("Ses02M_script03_2_F004", [772, 2194, 1975, -960, -2559, -3898, -2559, -115, -76, -175, -2059, 17]),
        ("Ses01M_impro03_M000", [99, 148, 345, -54, -100, -463, -510, -314, -492, -118, 740, 366]),
        ("Ses02F_script01_1_F003", [-106, 46, -673, 917, -1368, 1817, -453, -13, -5, 20, 1, -13]),
    ],
)
def test_samples_are_the_recorded_ones_but_for_rounding(
    audio: dict[str, NDArray[np.int16]], name: str, recorded: list[int]
) -> None:
    assert np.abs(audio[name][16_000:22_000:500].astype(int) - recorded).max() <= 1


def test_an_utterance_sounds_the_same_wherever_it_is_made(
    turns: list[Turn], audio: dict[str, NDArray[np.int16]]
) -> None:
    for turn in turns[::-200]:
        assert np.array_equal(sound(turn), audio[turn.id])


def test_all_labels_are_there_and_no_class_prevails(turns: list[Turn]) -> None:
    for style in ("impro", "script", ""):
        ours = [turn for turn in turns if style in turn.dialogue]
        assert {turn.label for turn in ours} == set(EMOTIONS)
        usable = [turn for turn in ours if turn.label in CLASSES and turn.samples >= SHORTEST]
        counts = Counter(turn.label for turn in usable)
        assert max(counts.values()) < 0.4 * len(usable)
        assert min(counts.values()) > 0.1 * len(usable)
        assert any(turn.label in CLASSES and turn.samples < SHORTEST for turn in ours)
    assert len({(turn.speaker, turn.label) for turn in turns if turn.label in CLASSES}) == 40


def test_the_label_is_what_raters_agree_on(turns: list[Turn]) -> None:
    for turn in turns:
        (vote, times), *_ = Counter(turn.votes[:3]).most_common()
        if turn.label == "xxx":
            assert times == 1
        else:
            assert times >= 2
            assert vote == EMOTIONS[turn.label].vote


def test_words_are_said_within_the_utterance(turns: list[Turn]) -> None:
    for turn in turns:
        words = turn.words.rstrip(".").split()
        syllables = sum(len(LEXICON.get(word) or LEXICON[word[0].lower() + word[1:]]) // 2 for word in words)
        assert len(turn.syllables) == syllables
        ends = [syllable.first + syllable.samples for syllable in turn.syllables]
        assert all(end <= syllable.first for end, syllable in zip(ends, turn.syllables[1:], strict=False))
        assert ends[-1] < turn.samples


def test_neither_length_nor_background_nor_offset_depends_on_the_class(
    turns: list[Turn], audio: dict[str, NDArray[np.int16]]
) -> None:
    measured: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for turn in turns:
        before = audio[turn.id][:1000].astype(np.float64)  # nobody speaks in the first 0.1 s
        after = audio[turn.id][-1000:].astype(np.float64)
        assert 0 < before.std() < 60
        assert after.std() == pytest.approx(before.std(), rel=0.2, abs=1)
        if turn.label in CLASSES:
            measured["length"][turn.label].append(turn.samples)
            measured["silence before"][turn.label].append(turn.syllables[0].first)
            measured["background"][turn.label].append(before.std())
            measured["offset"][turn.label].append(before.mean())
    assert len(measured) == 4
    for what, by_label in measured.items():
        assert kruskal(*by_label.values()).pvalue > 0.01, what


def test_emotions_differ_in_level_and_overlap_in_it(turns: list[Turn], audio: dict[str, NDArray[np.int16]]) -> None:
    levels = defaultdict(list)
    for turn in turns:
        levels[turn.label].append(20 * np.log10(np.std(audio[turn.id] / 32768)))
    assert np.mean(levels["ang"]) > np.mean(levels["neu"]) + 3 > np.mean(levels["sad"]) + 6
    assert max(levels["sad"]) > np.percentile(levels["neu"], 40)
    assert min(levels["ang"]) < np.percentile(levels["neu"], 60)
    assert np.percentile(levels["exc"], 25) < np.median(levels["ang"]) < np.percentile(levels["exc"], 90)


def test_speech_uses_the_range_of_16_bits_and_hardly_clips(audio: dict[str, NDArray[np.int16]]) -> None:
    peaks = np.array([np.abs(samples.astype(int)).max() for samples in audio.values()])
    assert np.mean(peaks >= 32767) < 0.05
    assert peaks.min() > 300


@pytest.mark.usefixtures("few")
def test_a_complete_corpus_is_kept(tmp_path: Path) -> None:
    root = tmp_path / "new" / "synthetic"
    make_corpus(root)
    assert [path.name for path in root.parent.iterdir() if path.is_dir()] == ["synthetic"]
    path = next(root.rglob("*.wav"))
    path.write_bytes(b"mine")
    make_corpus(root)
    assert path.read_bytes() == b"mine"


@pytest.mark.usefixtures("few")
def test_it_is_complete_or_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "synthetic"

    def fail(turn: Turn) -> NDArray[np.int16]:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(voice, "sound", fail)
        with pytest.raises(KeyboardInterrupt):
            make_corpus(root)
    assert not root.exists()
    (tmp_path / ".synthetic.tmp-1-a").mkdir()
    (tmp_path / ".synthetic.tmp-1-a" / "left.txt").write_text("by a killed process")
    root.mkdir()  # an empty folder is as good as none
    make_corpus(root)
    assert (root / SYNTHETIC_MARK).is_file()
    assert not list(tmp_path.rglob("left.txt"))
    assert not list(tmp_path.glob(".synthetic.tmp-*"))


@pytest.mark.parametrize("kind", ["file", "files", "other version"])
def test_what_is_something_else_is_refused_and_left(tmp_path: Path, kind: str) -> None:
    root = tmp_path / "place"
    if kind == "file":
        root.write_text("mine")
    else:
        root.mkdir()
        (root / ("mine.txt" if kind == "files" else SYNTHETIC_MARK)).write_text("mine")
    expected = {"file": "is a file", "files": f"no {SYNTHETIC_MARK}", "other version": "another version"}[kind]
    with pytest.raises(GlamError, match=expected) as caught:
        make_corpus(root)
    assert str(root) in str(caught.value)
    assert "another" in str(caught.value)
    assert [path.read_text() for path in ([root] if kind == "file" else list(root.iterdir()))] == ["mine"]
