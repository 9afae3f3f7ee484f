"""Sound, words and vectors at once, from the corpus to a saved model that is asked."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from running.small import CPU
from running.spoken import RUN, prepared, release_with, trained, words_of

from glam.errors import GlamError
from glam.evaluation.metrics import best_epoch, confusion_matrix, scores_of
from glam.inputs.words import Words
from glam.learning.learner import evaluation_batch
from glam.models.entrances import UNKNOWN, Embedded, Standardise
from glam.reports.summary import report
from glam.results.run import MODEL, read_run
from glam.running.experiment import Experiment, job
from glam.running.job import Job, objective_of, open_columns, run_data
from glam.running.one_run import _Run
from glam.running.saved import SavedModel, load_model
from glam.splits.runs import RunKey


def model_of(experiment: Experiment, run: RunKey = RUN) -> SavedModel:
    return load_model(experiment.folder / run.name / MODEL)


def test_words_and_statistics_of_held_out_utterances_reach_nothing_that_is_trained(
    tiny_release: Path, tmp_path: Path
) -> None:
    plain = release_with(tiny_release, tmp_path / "a")
    first = prepared(plain, tmp_path / "a")
    split = first.recipe.split.split(first.population.groups, RUN)
    held_out = {first.stored.ids[i] for i in split.held_out}
    assert 0 < split.validation_only < len(held_out)

    def other(utterance: str) -> str:
        return "Abracadabra, alone zzz!" if utterance in held_out else words_of(utterance)

    changed = release_with(tiny_release, tmp_path / "b", other, louder=held_out)
    second = prepared(changed, tmp_path / "b")
    assert first.stored.digest != second.stored.digest
    objectives = []
    for experiment in (first, second):
        work = trained(experiment)
        run = read_run(experiment.folder / RUN.name)
        objectives.append((model_of(experiment), work.input("words"), run))
    (a, words_a, run_a), (b, words_b, run_b) = objectives
    state_a, state_b = a.objective.state_dict(), b.objective.state_dict()
    for name in state_a:
        if "entrances.words" not in name:
            assert torch.equal(state_a[name], state_b[name]), name
    assert run_a.epochs[0].loss == run_b.epochs[0].loss
    assert isinstance(words_a, Words)
    assert isinstance(words_b, Words)
    ids_a, ids_b = words_a.vocabulary.ids(), words_b.vocabulary.ids()
    spoken = {token for i in split.train for token in words_a.tokens(words_of(first.stored.ids[i]))}
    for token in spoken:
        assert torch.equal(
            state_a["entrances.words.table"][ids_a[token]], state_b["entrances.words.table"][ids_b[token]]
        )
    known = state_b["entrances.words.known"]
    assert {token for token, i in ids_b.items() if known[i]} == spoken
    assert not known[ids_b["abracadabra"]]
    assert (run_a.predictions().logits != run_b.predictions().logits).any(), "what is tested did change"


def test_what_is_fitted_is_of_the_training_utterances(tiny_release: Path, tmp_path: Path) -> None:
    work = job(prepared(release_with(tiny_release, tmp_path), tmp_path), CPU)
    data = run_data(work, RUN)
    entrances = objective_of(work, RUN, data).entrances
    audio, words = entrances["audio"], entrances["words"]
    assert isinstance(audio, Standardise)
    lengths = work.inputs["audio"].train_lengths
    assert lengths is not None
    assert lengths.max() == 50, "half a second"
    values = data.train["audio"].recordings()
    true = torch.cat([values[row, :, : lengths[row]] for row in data.train_rows.tolist()], dim=1).double()
    torch.testing.assert_close(audio.mean[0, :, 0], true.mean(1).float())
    assert isinstance(words, Embedded)
    rows = data.train["words"].recordings()[data.train_rows]
    assert words.known.nonzero().flatten().tolist() == sorted({0, UNKNOWN, *rows.flatten().tolist()})


def test_a_saved_model_predicts_what_the_run_predicted_bit_for_bit(tiny_release: Path, tmp_path: Path) -> None:
    experiment = prepared(release_with(tiny_release, tmp_path), tmp_path)
    work = trained(experiment)
    logits = predicted(work, model_of(experiment))
    np.testing.assert_array_equal(logits, read_run(experiment.folder / RUN.name).predictions().logits[-1])


def predicted(work: Job, model: SavedModel) -> NDArray[np.float32]:
    data = run_data(work, RUN, open_columns(work))
    rows = data.test.rows(data.test_rows).split(evaluation_batch(torch.device("cpu")))
    return np.concatenate([model.logits(inputs) for inputs in data.test.batches(rows)])


def test_random_embeddings_and_other_files_make_other_experiments(
    tiny_release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = release_with(tiny_release, tmp_path)
    plain = prepared(release, tmp_path)
    assert plain.stored.unlike_print == "random embeddings"
    monkeypatch.setenv("GLOVE", str(tmp_path / "glove.txt"))
    (tmp_path / "glove.txt").write_text("fine 1 2 3 4 5\nalone 5 4 3 2 1\n")
    with_vectors = prepared(release, tmp_path)
    assert with_vectors.stored.unlike_print == ""
    assert plain.folder != with_vectors.folder
    assert any(line.startswith("GloVe: glove.txt, SHA-256 ") for line in with_vectors.stored.remarks)
    work = job(with_vectors, CPU)
    embedded = objective_of(work, RUN, run_data(work, RUN)).entrances["words"]
    assert isinstance(embedded, Embedded)
    place = with_vectors.inputs["words"].vocabulary.ids()["alone"]  # type: ignore[attr-defined]
    assert embedded.table[place].tolist() == [5, 4, 3, 2, 1]
    (tmp_path / "glove.txt").write_text("fine 1 2 3\n")
    with pytest.raises(
        GlamError, match=r"inputs\.words: .*have 3 numbers, and the recipe asks for 5; set the option dimension to 3"
    ):
        prepared(release, tmp_path)


def test_a_damaged_vocabulary_is_refused(tiny_release: Path, tmp_path: Path) -> None:
    from safetensors import safe_open
    from safetensors.torch import save_file

    experiment = prepared(release_with(tiny_release, tmp_path), tmp_path, recipe="text-cnn")
    trained(experiment)
    path = experiment.folder / RUN.name / MODEL
    with safe_open(path, "pt") as file:
        meta, tensors = dict(file.metadata()), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    for remembered in ("{}", '{"words": {"words": ["b", "a"]}}', '{"words": {"words": ["a"], "x": 1}}', "[]"):
        save_file(tensors, tmp_path / "damaged", meta | {"remembered": remembered})
        with pytest.raises(GlamError, match="is no saved model, or damaged"):
            load_model(tmp_path / "damaged")


def test_a_run_stops_when_it_has_waited_long_enough_and_goes_on_to_the_same_end(
    tiny_release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where it was interrupted behind the epoch that was to be its last."""
    release = release_with(tiny_release, tmp_path)
    patient = [("training.epochs", 30), ("training.patience", 2), ("training.lr", 1e-6)]
    experiment = prepared(release, tmp_path, *patient, recipe="text-cnn")
    with monkeypatch.context() as interrupted:

        def killed(run: Any) -> None:
            run._save()
            raise KeyboardInterrupt

        interrupted.setattr(_Run, "_store", killed)
        with pytest.raises(KeyboardInterrupt):
            trained(experiment)
    trained(experiment)
    run = read_run(experiment.folder / RUN.name)
    assert run.environment["resumed"] == 1
    assert len(run.epochs) < 30
    assert len(run.epochs) == 3 + best_on_validation(experiment, run.predictions().logits, run.validation_only)
    assert f"training: {len(run.epochs)} epochs of at most 30; 1 of 1 run stopped" in report(experiment.folder)


def best_on_validation(experiment: Experiment, logits: NDArray[np.float32], first: int) -> int:
    run = read_run(experiment.folder / RUN.name).predictions()
    truth = experiment.stored.targets[run.held_out[:first]]
    scores = [scores_of(confusion_matrix(truth, of_epoch[:first].argmax(1), 4)) for of_epoch in logits]
    return best_epoch(np.array([score.wa for score in scores]), np.array([score.ua for score in scores]))
