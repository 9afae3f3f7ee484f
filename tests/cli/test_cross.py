"""`glam test`: saved models on other corpora, the ones they know included."""

import csv
from pathlib import Path

import numpy as np
import pytest
import soundfile

from glam.cli.cross import cross
from glam.cli.train import train

QUICK = ["--model=mhcnn", "--attn_hidden=8", "--head=2", "--nmfcc=8", "--segment_length=0.5", "--train_overlap=0.1"]
QUICK += ["--test_overlap=0.1", "--epochs=2", "--batch_size=16", "--gpu=-1"]


def corpus(folder: Path, labels: dict[str, float], speakers: str = "abcd", shift: int = 0) -> Path:
    """A table of recordings of 0.7 s, one of each speaker and label, which is told by its pitch."""
    folder.mkdir(parents=True, exist_ok=True)
    time = np.arange(11_200) / 16_000
    rows = ["file,emotion,speaker"]
    for speaker in speakers:
        for label, pitch in labels.items():
            noise = np.random.default_rng(ord(speaker) + shift).normal(0, 0.01, len(time))
            soundfile.write(folder / f"{speaker}-{label}.wav", 0.3 * np.sin(2 * np.pi * pitch * time) + noise, 16_000)
            rows.append(f"{speaker}-{label}.wav,{label},{speaker}")
    path = folder / "table.csv"
    path.write_text("\n".join(rows))
    return path


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GLAM_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("GLAM_RUNS", str(tmp_path / "runs"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def trained(places: Path, training_here: None, capsys: pytest.CaptureFixture[str]) -> Path:
    """An experiment of two saved models on a table of angry, happy and bored."""
    table = corpus(places / "own", {"angry": 300, "happy": 900, "bored": 2500})
    _train_on(table, "--runs=2")
    capsys.readouterr()
    return next((places / "runs").iterdir())


def _train_on(table: Path, *more: str) -> None:
    words = ["--corpus", str(table), "--protocol", "random-speakers", "--set", "split.train_share=0.6", *more]
    assert train([*QUICK, *words, "--set", "split.validation=false", "--save-model=best"]) == 0


def test_another_corpus(trained: Path, places: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = corpus(places / "other", {"anger": 320, "joy": 880, "calm": 100}, "xyz", shift=9)
    (places / "other" / "short.wav").write_bytes(b"")
    with other.open("a") as file:
        file.write("\nshort.wav,joy,x\n")
    assert cross([trained.name, "--on", str(other)]) == 0
    printed = capsys.readouterr()
    text = " ".join(printed.out.split())
    assert "trained on table.csv" in text
    assert "tested: 6 utterances; labels: anger as angry, joy as happy" in text
    assert "not tested, as no class is called so (--map): 3 calm" in text
    assert "among the classes in both (not bored)" in text
    assert "not used, empty file: 1" in text
    assert "models: 2" in text
    assert "trained on the same recording" not in text
    assert cross([trained.name, "--on", str(other), "--map", "calm=bored", "--map", "joy="]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "labels: anger as angry, calm as bored" in text
    assert "(--map): 4 joy" in text or "(--map): 3 joy" in text


def test_on_its_own_corpus_only_what_was_held_out_is_tested(
    trained: Path, places: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cross([str(trained), "--on", str(places / "own" / "table.csv"), "-o", "out"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "tested: 6 utterances" in printed
    assert "trained on the same recording or its epoch was chosen on it: 6" in printed
    assert "the score is optimistic" in printed
    with (places / "out" / "scores.csv").open() as file:
        rows = list(csv.DictReader(file))
    from glam.reports.runs import read_runs
    from glam.results.experiment import read_experiment
    from glam.running.saved import load_model

    for row, run in zip(rows, read_runs(read_experiment(trained)), strict=True):
        epoch = load_model(run.folder / "model.safetensors").epoch
        assert float(row["wa"]) == pytest.approx(run.scores[epoch - 1].wa, abs=1e-4), "as training scored that epoch"
    with (places / "out" / "answers.csv").open() as file:
        answers = [row for row in csv.DictReader(file) if row["run"] == rows[0]["run"]]
    run = read_runs(read_experiment(trained))[0]
    stored = run.predictions()
    logits = stored.logits[load_model(run.folder / "model.safetensors").epoch - 1]
    ids = read_experiment(trained).ids
    by_id = {ids[i]: of_one for i, of_one in zip(stored.held_out, logits, strict=True)}
    for row in answers:
        np.testing.assert_allclose([float(row[f"logit_{i}"]) for i in range(3)], by_id[row["utterance"]], rtol=1e-4)


def test_the_matrix(trained: Path, places: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = corpus(places / "other", {"anger": 320, "joy": 880}, "xy", shift=9)
    own = places / "own" / "table.csv"
    assert cross([trained.name, "--on", f"{other}={places / 'other'}", "--on", str(own), "--output", "out"]) == 0
    assert "| UA: trained on \\ tested on" in capsys.readouterr().out
    assert {path.name for path in (places / "out").iterdir()} == {
        "answers.csv",
        "matrix.pdf",
        "matrix.png",
        "matrix.svg",
        "scores.csv",
    }


def test_a_map_is_of_the_experiments_and_corpora_that_it_names(
    trained: Path, places: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = corpus(places / "other", {"calm": 320, "awe": 880}, "x")
    _train_on(corpus(places / "german", {"wut": 300, "freude": 900}), "--runs=1")
    (german,) = set((places / "runs").glob("mhcnn-*")) - {trained}
    capsys.readouterr()
    maps = [word for text in ("angry=wut", "awe=happy", "calm=freude") for word in ("--map", text)]
    own = str(places / "own" / "table.csv")
    assert cross([trained.name, german.name, "--on", own, "--on", str(other), *maps]) == 0
    labels = [line for line in capsys.readouterr().out.splitlines() if line.startswith("tested:")]
    assert [line.partition("labels: ")[2] for line in labels] == [
        "angry, bored, happy",
        "awe as happy",
        "angry as wut",
        "calm as freude",
    ]


def test_mistakes(trained: Path, places: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def said(*words: str) -> str:
        assert cross([trained.name, *words]) == 2
        return " ".join(capsys.readouterr().err.split())

    assert said("--on", "gone.csv") == "error: there is no file gone.csv, which is given as a corpus"
    other = str(corpus(places / "other", {"calm": 320, "awe": 880}, "x"))
    assert "no label there (awe, calm) means a class" in said("--on", other)
    assert "no experiment has such a class; there are angry, bored, happy" in said("--on", other, "--map", "awe=fear")
    assert "no corpus of --on has such a label; there are awe, calm" in said("--on", other, "--map", "joy=happy")
    assert "expected LABEL=CLASS" in said("--on", other, "--map", "joy")
    for model in trained.glob("*/model.safetensors"):
        model.unlink()
    assert "none of its runs kept its model" in said("--on", other)
