import inspect
import subprocess
import sys
from importlib import import_module

import pytest
import torch
from pydantic import ValidationError

from glam.errors import GlamError
from glam.models import MODELS, OPTIONS, ModelSettings, build, check_shape


def test_names_are_known_without_torch():
    code = "import sys, glam.models; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", MODELS)
def test_table_of_options_is_that_of_the_functions(name):
    module, function = MODELS[name].split(":")
    parameters = inspect.signature(getattr(import_module(module), function)).parameters
    assert list(parameters)[:2] == ["classes", "shape"]
    options = {key: parameters[key].default for key in list(parameters)[2:]}
    assert options == OPTIONS.get(name, {})
    assert set(options) <= set(ModelSettings.model_fields)


@pytest.mark.parametrize("name", MODELS)
def test_model_maps_features_to_logits_for_any_number_of_classes(name):
    model = build(name, 5, (20, 24)).eval()
    x = torch.randn(3, 1, 20, 24)
    assert model(x).shape == (3, 5)
    hidden = model.embed(x)
    assert hidden.ndim == 2
    assert len(hidden) == 3


@pytest.mark.parametrize("name", MODELS)
def test_a_shape_is_tried_before_anything_long(name):
    before = torch.random.get_rng_state()
    check_shape(ModelSettings(name=name), 4, (26, 57))
    with pytest.raises(GlamError, match=f"{name} cannot take features of 2 x 3 .*greater segments.length"):
        check_shape(ModelSettings(name=name), 4, (2, 3))
    assert torch.equal(before, torch.random.get_rng_state())


def test_a_model_that_gives_something_else_than_logits_is_refused(monkeypatch):
    monkeypatch.setattr("glam.models.architectures.glam", lambda classes, shape: torch.nn.Flatten())
    with pytest.raises(GlamError, match=r"gives \(2, 60\) for two segments, expected logits \(2, 4\)"):
        check_shape(ModelSettings(), 4, (6, 10))


def test_options_reach_the_model():
    wide = build("mhcnn", 4, (20, 24), heads=2, hidden=8)
    assert wide.classify.in_features == 8
    assert wide.fusion[0].query.out_channels == 16


def test_unknown_model_is_answered_with_the_list():
    with pytest.raises(GlamError, match=r"no model 'glamm'.*glam, multi-scale, .*aacnn-original"):
        build("glamm", 4, (26, 57))
    with pytest.raises(ValidationError, match=r"no model 'glamm'.*glam, multi-scale"):
        ModelSettings(name="glamm")


def test_option_of_another_model_is_answered_with_the_list():
    with pytest.raises(GlamError, match=r"'mhcnn' does not take 'dropout'. Its options are: heads, hidden\."):
        build("mhcnn", 4, (26, 57), dropout=0.1)
    with pytest.raises(ValidationError, match=r"'glam' does not take 'heads'. It takes no options\."):
        ModelSettings(name="glam", heads=4)
    with pytest.raises(ValidationError, match="dropout"):
        ModelSettings(name="aacnn", dropout=1.0)


def test_an_option_at_its_default_is_the_same_settings():
    assert ModelSettings(name="mhcnn", heads=4, hidden=64) == ModelSettings(name="mhcnn")
    assert ModelSettings(name="mhcnn", heads=2).options() == {"heads": 2}
    assert ModelSettings(name="mhcnn", heads=2) == ModelSettings.model_validate({"name": "mhcnn", "heads": 2})
