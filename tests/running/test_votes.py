"""Training on the raters' votes instead of the label."""

import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from running import small
from running.small import CPU

from glam.errors import GlamError
from glam.running.experiment import job
from glam.running.job import run_data
from glam.splits.runs import RunKey

RUN = RunKey(7)
VOTED = "C-E1:\tNeutral;\t()\nC-E2:\tNeutral;\t()\nC-E3:\tAnger;\t()\n"  # of every utterance


@pytest.fixture(scope="module")
def rated(tiny_release: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny release with three votes on each utterance, except on those of its second dialogue."""
    root = tmp_path_factory.mktemp("rated")
    shutil.copytree(tiny_release, root, dirs_exist_ok=True)
    for path in root.glob("Session[1345]/dialog/EmoEvaluation/*.txt"):
        lines = path.read_text().splitlines(keepends=True)
        path.write_text("".join(line + VOTED if line.startswith("[") else line for line in lines))
    return root


prepared = partial(small.prepared, recipe="glam-released")


def test_the_distribution_is_taught_in_place_of_the_label(rated: Path, tmp_path: Path) -> None:
    hard, soft = (job(prepared(rated, tmp_path, ("training.labels", labels)), CPU) for labels in ("hard", "votes"))
    assert hard.shares is None
    assert hard.digest != soft.digest
    plain, data = run_data(hard, RUN), run_data(soft, RUN)
    assert plain.train_shares is None
    assert data.train_shares is not None
    assert torch.equal(data.train_rows, plain.train_rows)
    assert torch.equal(data.train_targets, plain.train_targets), "class weights and upsampling are by the label"
    shares = data.train_shares.numpy()
    certain = shares.max(axis=1) == 1  # nobody has rated these
    np.testing.assert_array_equal(shares[certain].argmax(axis=1), plain.train_targets.numpy()[certain])
    np.testing.assert_allclose(shares[~certain], np.tile([2 / 3, 0, 1 / 3, 0], ((~certain).sum(), 1)), rtol=1e-6)
    assert certain.any()
    assert not certain.all()


def test_shuffled_votes_are_those_of_the_shuffled_labels(rated: Path, tmp_path: Path) -> None:
    fields = [("training.labels", "votes"), ("training.shuffle_labels", True)]
    data = run_data(job(prepared(rated, tmp_path, *fields), CPU), RUN)
    assert data.train_shares is not None
    certain = data.train_shares.max(dim=1).values == 1
    assert torch.equal(data.train_shares.argmax(dim=1)[certain], data.train_targets[certain])


def test_what_was_not_rated_is_said(rated: Path, tmp_path: Path) -> None:
    (line,) = prepared(rated, tmp_path, ("training.labels", "votes")).stored.remarks
    assert line.endswith("; 8 without such a vote are taught their label")


def test_a_corpus_without_votes_is_refused(tiny_release: Path, tmp_path: Path) -> None:
    with pytest.raises(GlamError, match="the corpus iemocap has no rater votes on these utterances") as raised:
        prepared(tiny_release, tmp_path, ("training.labels", "votes"))
    assert "\n" not in str(raised.value)


def test_labels_at_their_default_leave_the_identity_as_it_was(rated: Path, tiny_release: Path, tmp_path: Path) -> None:
    with_votes, without = prepared(rated, tmp_path / "a"), prepared(tiny_release, tmp_path / "b")
    assert with_votes.stored.identity == without.stored.identity
    assert "labels" not in with_votes.recipe.scientific()["training"]
