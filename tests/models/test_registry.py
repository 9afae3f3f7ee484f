import inspect
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
import torch
from models.made import RELEASED, made
from pydantic import ValidationError

from glam.errors import GlamError
from glam.models import MODELS, ModelSettings, build, check_shape
from glam.named import STORED

NO_LENGTHS: frozenset[str] = frozenset()

# The options of each: runs of these models that are stored have those that are not at these defaults.
OF_THE_PAPER: dict[str, dict[str, int | float | bool]] = {
    "glam": {},
    "multi-scale": {},
    "multi-scale-mha": {"heads": 4, "hidden": 64},
    "multi-scale-aa": {"dropout": 0.5},
    "apcnn": {},
    "mhcnn": {"heads": 4, "hidden": 64},
    "aacnn": {"dropout": 0.5},
    "aacnn-original": {"dropout": 0.5, "dropout_at_test": False},
}


def test_names_are_known_without_torch() -> None:
    code = "import sys, glam.models; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_settings_are_checked_without_torch() -> None:
    code = (
        "import sys; from glam.models import ModelSettings; ModelSettings(name='mhcnn', heads=2).inputs(); "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", MODELS)
def test_signature_that_is_read_is_that_of_the_functions(name: str) -> None:
    module, function = MODELS[name].split(":")
    parameters = inspect.signature(getattr(import_module(module), function)).parameters
    positional = [key for key, parameter in parameters.items() if parameter.kind is not parameter.KEYWORD_ONLY]
    settings = ModelSettings(name=name)
    assert positional == ["classes", *settings.inputs()]
    assert settings.optional_inputs() == {key for key in positional if parameters[key].default is not inspect._empty}
    options = {key: parameter.default for key, parameter in parameters.items() if key not in positional}
    assert {key: option.default for key, option in settings.source().signature().options.items()} == options


@pytest.mark.parametrize("name", OF_THE_PAPER)
def test_models_of_the_paper_take_audio_alone_and_options_of_one_kind_each(name: str) -> None:
    settings = ModelSettings(name=name)
    assert settings.inputs() == ("audio",)
    assert settings.optional_inputs() == frozenset()
    options = settings.source().signature().options
    assert {key: option.default for key, option in options.items()} == OF_THE_PAPER[name]
    assert all(option.kinds == (type(option.default),) for option in options.values())


@pytest.mark.parametrize("name", RELEASED)
def test_model_maps_features_to_logits_for_any_number_of_classes(name: str) -> None:
    model = made(name, 5, (20, 24)).eval()
    x = torch.randn(3, 20, 24)
    assert model(x).shape == (3, 5)
    hidden = model.embed(x)
    assert hidden.ndim == 2
    assert len(hidden) == 3


@pytest.mark.parametrize("name", RELEASED)
def test_a_shape_is_tried_before_anything_long(name: str) -> None:
    before = torch.random.get_rng_state()
    check_shape(ModelSettings(name=name), 4, {"audio": (26, 57)}, NO_LENGTHS)
    with pytest.raises(GlamError, match=f"{name} cannot take rows of audio 2 x 3: .*greater cut.length"):
        check_shape(ModelSettings(name=name), 4, {"audio": (2, 3)}, NO_LENGTHS)
    assert torch.equal(before, torch.random.get_rng_state())


def test_a_model_that_gives_something_else_than_logits_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("glam.models.architectures.glam", lambda classes, audio: torch.nn.Flatten())
    with pytest.raises(GlamError, match=r"gives \(2, 60\) for two rows of audio 6 x 10; expected logits \(2, 4\)"):
        check_shape(ModelSettings(name="glam"), 4, {"audio": (6, 10)}, NO_LENGTHS)


def test_rows_with_lengths_are_followed_by_them(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[torch.Tensor, ...]] = []

    class Watched(torch.nn.Module):
        def forward(self, *rows: torch.Tensor) -> torch.Tensor:
            seen.append(rows)
            return torch.zeros(2, 4)

    monkeypatch.setattr("glam.models.architectures.glam", lambda classes, audio: Watched())
    check_shape(ModelSettings(name="glam"), 4, {"audio": (10, 6)}, frozenset({"audio"}))
    ((rows, lengths),) = seen
    assert rows.shape == (2, 10, 6)
    assert lengths.tolist() == [1, 1]  # within the rows, whichever axis they are of


def test_options_reach_the_model() -> None:
    wide = made("mhcnn", 4, (20, 24), heads=2, hidden=8)
    assert wide.classify.in_features == 8
    assert wide.fusion[0].query.out_channels == 16


def test_unknown_model_is_answered_with_the_list() -> None:
    with pytest.raises(
        ValidationError, match=r"no model 'glamm'\. Did you mean 'glam'\? There are glam, multi-scale, "
    ):
        ModelSettings(name="glamm")
    recorded = ModelSettings.model_validate({"name": "glamm"}, context={STORED: True})
    with pytest.raises(GlamError, match=r"no model 'glamm'.*glam, multi-scale, .*aacnn-original"):
        build(recorded, 4, {"audio": (26, 57)})


def test_option_of_another_model_is_answered_with_the_list() -> None:
    with pytest.raises(ValidationError, match=r"no option 'dropout'\. Its options are heads, hidden"):
        ModelSettings.model_validate({"name": "mhcnn", "dropout": 0.1})
    with pytest.raises(ValidationError, match=r"no option 'heads'\. It has none"):
        ModelSettings.model_validate({"name": "glam", "heads": 4})
    recorded = ModelSettings.model_validate({"name": "mhcnn", "dropout": 0.1}, context={STORED: True})
    with pytest.raises(GlamError, match=r"mhcnn cannot be made: TypeError: .*'dropout'"):
        build(recorded, 4, {"audio": (26, 57)})


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("aacnn", {"dropout": 1.0}, "dropout: given 1, expected 0 or more and below 1"),
        ("aacnn-original", {"dropout": -0.1}, "dropout: given -0.1, expected 0 or more and below 1"),
        ("mhcnn", {"heads": 0}, "heads: 0, hidden: 64: expected 1 or more of each"),
        ("multi-scale-mha", {"hidden": 0}, "heads: 4, hidden: 0: expected 1 or more of each"),
    ],
)
def test_a_value_that_an_option_cannot_have_is_refused_before_anything_long(
    name: str, options: dict[str, float], message: str
) -> None:
    settings = ModelSettings.model_validate({"name": name, **options})
    with pytest.raises(GlamError, match=f"the model {name} cannot be made: .*{message}"):
        check_shape(settings, 4, {"audio": (26, 57)}, NO_LENGTHS)


@pytest.mark.parametrize(("body", "made"), [("...", "NoneType"), ("return lambda x: x", "function")])
def test_what_is_no_module_is_no_model(tmp_path: Path, body: str, made: str) -> None:
    (tmp_path / "mine.py").write_text(f"def mine(classes, audio): {body}\n")
    settings = ModelSettings(name=f"{tmp_path / 'mine.py'}:mine")
    with pytest.raises(GlamError, match=rf"mine\.py:mine makes {made}; expected a torch\.nn\.Module"):
        check_shape(settings, 4, {"audio": (26, 57)}, NO_LENGTHS)


@pytest.mark.parametrize("value", ["many", 2.5, True, None])
def test_a_value_of_another_kind_is_refused_at_once(value: object) -> None:
    with pytest.raises(ValidationError, match=f"heads: given {value!r}, expected a whole number"):
        ModelSettings.model_validate({"name": "mhcnn", "heads": value})


def test_an_option_at_its_default_is_the_same_settings() -> None:
    plain = ModelSettings(name="mhcnn")
    spelt_out = ModelSettings.model_validate({"name": "mhcnn", "heads": 4, "hidden": 64})
    assert spelt_out == plain
    assert spelt_out.scientific() == plain.scientific() == {"name": "mhcnn"}
    assert ModelSettings.model_validate({"name": "mhcnn", "heads": 2}).options() == {"heads": 2}
    assert ModelSettings(name="mhcnn", heads=2) == ModelSettings.model_validate({"name": "mhcnn", "heads": 2})
