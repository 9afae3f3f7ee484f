"""What does not fit together is found on rows of zeros, and said in a line."""

from pathlib import Path
from typing import Any

import pytest

from glam.errors import GlamError
from glam.learning.check import check, not_packable
from glam.learning.settings import TrainingSettings
from glam.models import ModelSettings

CLASSES = ("red", "green", "blue")
SHAPES = {"audio": (26, 63)}


def own(folder: Path, code: str) -> str:
    (folder / "mine.py").write_text(f"import torch\nfrom torch import nn\n\n{code}")
    return str(folder / "mine.py")


def model_of(folder: Path, body: str) -> ModelSettings:
    """A model of the user's own whose forward pass has that body."""
    code = f"""
class Net(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.linear = nn.Linear(26 * 63, classes)

    def forward(self, x):
        {body}


def net(classes, audio):
    return Net(classes)
"""
    return ModelSettings(name=f"{own(folder, code)}:net")


def checked(model: ModelSettings | None = None, **training: Any) -> None:
    settings = TrainingSettings.model_validate(training)
    check(model or ModelSettings(name="glam"), settings, CLASSES, SHAPES, whole=False)


def test_what_fits_passes(tmp_path: Path) -> None:
    checked()
    checked(model_of(tmp_path, "return self.linear(x.flatten(1))"))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return self.linear(x.flatten(1))[:, :2]", r"gives .*\(2, 2\).*expected logits \(2, 3\)"),
        ("return self.linear(x.flatten(1)).argmax(1)", r"gives .*\(2,\).*expected logits \(2, 3\)"),
        (
            "return self.linear(x)",
            r"mine\.py:net cannot take rows of audio 26 x 63: line 11: RuntimeError: .*shapes cannot be multiplied",
        ),
        ("return [1]", r"gives .*list.*expected logits \(2, 3\)"),
    ],
)
def test_a_model_with_the_wrong_output_is_named_with_its_line(tmp_path: Path, body: str, message: str) -> None:
    with pytest.raises(GlamError, match=message) as error:
        checked(model_of(tmp_path, body))
    assert "\n" not in str(error.value)


def test_what_decays_is_of_the_model() -> None:
    checked(decayed=["trunk", "classify.weight", "entrances.words"])
    with pytest.raises(
        GlamError, match=r"training\.decayed: the name of no parameter of the model glam begins with 'x'"
    ):
        checked(decayed=["trunk", "x"])


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return logits", r"gives a tensor of shape \(6, 3\) for logits \(6, 3\); expected a scalar"),
        ("return 1.0", r"gives float for logits"),
        ("return logits.detach().mean()", r"expected a scalar that depends on them"),
        ("return logits[7].mean()", r"line 5: IndexError"),
    ],
)
def test_a_loss_that_is_no_loss_is_named(tmp_path: Path, body: str, message: str) -> None:
    path = own(tmp_path, f"def loss(logits, target, group):\n    {body}\n")
    with pytest.raises(GlamError, match=message) as error:
        checked(alpha=0, loss=f"{path}:loss")
    assert "mine.py:loss" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_loss_over_whole_utterances_wants_batches_of_them(tmp_path: Path) -> None:
    code = """
class Whole(nn.Module):
    whole_utterances = True

    def forward(self, logits, target, group):
        return logits.mean()
"""
    loss = f"{own(tmp_path, code)}:Whole"
    with pytest.raises(
        GlamError, match=r"training\.loss and training\.batches disagree.*set training\.batches to utter"
    ):
        checked(alpha=0, loss=loss)
    checked(alpha=0, loss=loss, batches="utterances")


def test_a_file_that_does_not_import_is_named_with_its_line(tmp_path: Path) -> None:
    path = own(tmp_path, "import no_such_package\n\ndef loss(logits, target, group):\n    return logits.mean()\n")
    with pytest.raises(GlamError, match=r"mine\.py: cannot be imported: line 4: ModuleNotFoundError.*no_such_package"):
        checked(alpha=0, loss=f"{path}:loss")


def test_who_cannot_be_mapped_over_runs_is_found_out(tmp_path: Path) -> None:
    settings = TrainingSettings.model_validate({"alpha": 0})
    assert not_packable(ModelSettings(name="glam"), settings, CLASSES, SHAPES) == ""
    counts = model_of(tmp_path, "return self.linear(x.flatten(1)) * float(x.sum() > 0)")  # a number of each run
    why = not_packable(counts, settings, CLASSES, SHAPES)
    assert why.startswith("the model mine.py:net cannot be mapped over runs")
    why = not_packable(ModelSettings(name="drn-mhsa"), settings, CLASSES, SHAPES)
    assert why == "the model drn-mhsa cannot be mapped over runs (it has a layer LSTM)"
    ragged = TrainingSettings.model_validate({"alpha": 0, "batches": "utterances"})
    assert "differ in size" in not_packable(ModelSettings(name="glam"), ragged, CLASSES, SHAPES)


@pytest.mark.parametrize("loss", ["focal", "own"])
def test_a_loss_of_classes_is_refused_for_votes(loss: str, tmp_path: Path) -> None:
    code = """
def hinge(logits, target, group):
    return nn.functional.multi_margin_loss(logits, target)
"""
    name = f"{own(tmp_path, code)}:hinge" if loss == "own" else loss
    checked(loss=name)
    expected = "mine.py:hinge, given distributions" if loss == "own" else "training.labels and training.loss disagree"
    with pytest.raises(GlamError, match=expected):
        checked(loss=name, labels="votes")


def test_cross_entropy_takes_votes_alone_and_in_a_pack() -> None:
    settings = TrainingSettings.model_validate({"labels": "votes", "class_weights": "none"})
    checked(labels="votes")
    assert not not_packable(ModelSettings(name="glam"), settings, CLASSES, SHAPES)
