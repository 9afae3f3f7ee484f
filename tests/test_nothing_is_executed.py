"""No file that is read runs code, whatever it holds."""

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from endurance.corpora import make_store, opened
from endurance.results import in_results, make_results, told

from glam import places
from glam.errors import GlamError
from glam.recipe import load_recipe, parse_override
from glam.results.run import read_run


class Evil:
    """Whoever unpickles it writes the file `evil`."""

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return Path.write_text, (Path("evil"), "code was run")


@pytest.fixture(autouse=True)
def nothing_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.chdir(tmp_path)
    yield
    assert not (tmp_path / "evil").exists()


def test_the_trap_works(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Evil()))
    (tmp_path / "evil").unlink()


@pytest.mark.parametrize("name", ["logits", "train"])
def test_predictions(tmp_path: Path, without_hashes: Callable[[Path], None], name: str) -> None:
    make_results(tmp_path)
    run = tmp_path / in_results("5")
    without_hashes(run)
    arrays = vars(read_run(run).predictions()) | {name: np.array([Evil()], dtype=object)}
    np.savez_compressed(run / "predictions.npz", **arrays)
    with pytest.raises(GlamError, match=r"predictions\.npz: damaged"):
        told(tmp_path)
    (run / "predictions.npz").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(GlamError, match=r"predictions\.npz: damaged"):
        told(tmp_path)


def test_features(tmp_path: Path) -> None:
    make_store(tmp_path)
    array = (tmp_path / "store.npy").resolve()
    expected = np.load(tmp_path / "good.npy")
    np.save(array, np.array([Evil()], dtype=object))
    np.testing.assert_array_equal(np.array(opened(tmp_path).array), expected)  # extracted again


@pytest.mark.parametrize(
    "value",
    ["!!python/object/apply:pathlib.Path.write_text [evil, x]", "!!python/name:os.system", "!!python/tuple [1]"],
)
def test_recipes(tmp_path: Path, value: str) -> None:
    (tmp_path / "mine.yaml").write_text(f"training: {{lr: {value}}}\n")
    with pytest.raises(GlamError, match=r"mine\.yaml: not a recipe in YAML"):
        load_recipe(str(tmp_path / "mine.yaml"))
    with pytest.raises(GlamError, match="not valid YAML"):
        parse_override(f"training.lr={value}")


def test_path_py(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "_project", lambda: tmp_path)
    (tmp_path / "path.py").write_text("IEMOCAP = open('evil', 'w').name\n")
    with pytest.raises(GlamError, match="must be a path in quotes"):
        places.corpus_root("iemocap", tmp_path)
