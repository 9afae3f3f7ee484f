"""`glam.load_corpus`, `glam.train` and `glam.report`, as a notebook calls them."""

import subprocess
import sys
from pathlib import Path

import pytest

import glam
from glam.cli.main import main
from glam.errors import GlamError
from glam.prediction.model import Prediction
from glam.running.notebook import prepared

SMALL = {"cut": {"length": 0.5, "train_overlap": 0.25, "test_overlap": 0.25}, "training.epochs": 1}


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLAM_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("GLAM_DATA", str(tmp_path / "data"))


def test_from_a_corpus_to_a_prediction(
    tiny_release: Path, training_here: None, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = glam.load_corpus("iemocap", tiny_release)
    assert (len(corpus.utterances), corpus.problems) == (40, ())
    experiment = glam.train("mhcnn-released", corpus, SMALL, seeds=2)
    assert "run 2 of 2" in capsys.readouterr().err
    assert repr(corpus) == f"CorpusRead(iemocap in {tiny_release}: 40 utterances, 0 problems)"
    assert repr(experiment).startswith("Experiment(mhcnn on iemocap, improvised: 40 utterances: ")
    assert repr(experiment).endswith(f"; {experiment.folder})")
    text = glam.report(experiment)
    assert "runs: 2" in text
    assert text == glam.report(str(experiment.folder))
    assert "runs: 1" in glam.report(experiment, "last", seeds=[int(experiment.runs([2602656884])[0].name)])
    glam.train("mhcnn-released", corpus, SMALL, seeds=[5], save_model="none")
    capsys.readouterr()
    for seeds, said in ((2, False), ([5], True)):
        glam.train("mhcnn-released", corpus, SMALL, seeds=seeds)
        assert ("save_model last: not for 1 run without a model, stored already" in capsys.readouterr().err) == said
    recording = next(tiny_release.rglob("*.wav"))
    answer = glam.predict(glam.load(experiment.folder), recording)
    assert isinstance(answer, Prediction)
    same = glam.predict(glam.load(experiment.folder / "2602656884"), recording)
    assert (answer.logits == same.logits).all(), "of an experiment, the first of its runs"

    # Nothing is trained twice, and the command line means the same experiment.
    before = {path: path.stat().st_mtime_ns for path in experiment.folder.rglob("run.json")}
    assert glam.train("mhcnn-released", corpus, SMALL, seeds=2).folder == experiment.folder
    flags = [f"--set={field}={str(value).replace(chr(39), '')}" for field, value in SMALL.items()]
    assert main(["train", "--recipe", "mhcnn-released", "-d", str(tiny_release), *flags, "--runs", "2"]) == 0
    assert {path: path.stat().st_mtime_ns for path in experiment.folder.rglob("run.json")} == before


def test_a_table_is_a_corpus(tiny_release: Path, tmp_path: Path) -> None:
    rows = ["file,feeling,speaker"]
    rows += [f"{path},{path.stem[-1]},{path.stem[:5]}" for path in sorted(tiny_release.rglob("*.wav"))]
    (tmp_path / "my.csv").write_text("\n".join(rows) + "\n")
    corpus = glam.load_corpus(tmp_path / "my.csv", columns={"emotion": "feeling"})
    assert {utterance.label for utterance in corpus.utterances} == set("01234567")
    experiment = prepared("mhcnn-released", corpus, SMALL)
    assert experiment.recipe.corpus.columns == {"emotion": "feeling"}


def test_mistakes(tiny_release: Path) -> None:
    corpus = glam.load_corpus("iemocap", tiny_release)
    with pytest.raises(GlamError, match="there is no recipe 'glam-realeased'"):
        glam.train("glam-realeased", corpus)
    for seeds in (0, 101, [], [-1], [2**32]):
        with pytest.raises(GlamError, match="seeds: given"):
            glam.train("glam-released", corpus, seeds=seeds)
    with pytest.raises(GlamError, match="runs_at_once: given 0"):
        glam.train("glam-released", corpus, runs_at_once=0)
    with pytest.raises(GlamError, match=r"corpus\.name: the corpus was read with 'iemocap', and settings say 'emodb'"):
        glam.train("glam-released", corpus, {"corpus.name": "emodb"})
    with pytest.raises(GlamError, match="save_model: given 'first', expected one of none, last, best"):
        glam.train("mhcnn-released", corpus, save_model="first")  # type: ignore[arg-type]
    with pytest.raises(GlamError, match="select: given 'best', expected one of test, halves, validation, last"):
        glam.report("absent", "best")  # type: ignore[arg-type]
    with pytest.raises(GlamError, match="precision tf32 exists on NVIDIA GPUs only; this is cpu"):
        glam.train("mhcnn-released", corpus, SMALL | {"training.precision": "tf32"})
    with pytest.raises(GlamError, match=r"training\.lr"):
        glam.train("glam-released", corpus, {"training.lr": "fast"})
    with pytest.raises(GlamError, match=r"no corpus|there is no"):
        glam.load_corpus("emobd")


def test_importing_the_package_imports_nothing() -> None:
    heavy = ("numpy", "torch", "pydantic")
    code = f"import sys, glam; glam.__version__; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_names_are_typed_as_they_are() -> None:
    stub = (Path(glam.__file__).parent / "__init__.pyi").read_text()
    for name, place in glam.API.items():
        module, function = place.split(":")
        assert f"from {module} import {function} as {name}\n" in stub
        assert callable(getattr(glam, name))
