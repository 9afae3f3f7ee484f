"""An experiment on disk: what all its runs share.

    runs/<model>-<corpus>-<part>-<8 hex>/       one experiment
        experiment.json                         its identity, recipe and composition
        utterances.csv                          every utterance of its population: index, id, class, and what it belongs
                                                to (speaker, session, ...)
        <seed>/ or <seed>-fold<k>/              one run, complete or absent: see run.py

The JSON file carries a SHA-256 of its own content and of the table beside it.
"""

import csv
import io
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glam.errors import GlamError, in_the_way
from glam.files import hashed_json, write_bytes, write_text
from glam.foreign import plain_content
from glam.recipe import Recipe, recorded
from glam.results.identity import FORMAT, canonical_json, digest
from glam.results.run import MODEL, RUN, Predictions, StoredRun, damaged, read_json, read_run
from glam.results.upgrade import upgraded
from glam.splits.groups import Grouping
from glam.splits.population import Composition
from glam.splits.protocols import AnyProtocol
from glam.splits.runs import run_key

EXPERIMENT = "experiment.json"
UTTERANCES = "utterances.csv"
LONGEST = 200  # bytes of a folder's name before the digest: disks take 255
_OWN = ("index", "utterance", "class")  # columns of the table beside what utterances belong to


@dataclass(frozen=True, eq=False)
class StoredExperiment:
    """An experiment's folder: what all its runs share.

    groups: what its utterances belong to; empty where it was stored before that was kept. folds: what each fold of a
    seed is tested on, by name; () for protocols without folds. remarks: lines for the head of a report, on its inputs.
    unlike_print: why its numbers cannot be compared with printed ones; empty where they can. own_recipe: what the file
    of the user's own, if the recipe is from one, says without overrides.
    """

    folder: Path
    recipe: Recipe
    identity: dict[str, Any]
    composition: Composition
    ids: tuple[str, ...]
    targets: NDArray[np.int64]
    groups: Mapping[str, Grouping] = field(default_factory=dict)
    folds: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    unlike_print: str = ""
    own_recipe: Recipe | None = None

    @property
    def name(self) -> str:
        """The name of its recipe."""
        return self.recipe.name

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, by index."""
        return self.recipe.corpus.classes

    @property
    def split(self) -> AnyProtocol:
        """The protocol."""
        return self.recipe.split

    @property
    def format(self) -> int:
        """The format of its identity: runs of another format than this version's are only read."""
        return int(self.identity.get("format", 0))

    @cached_property
    def digest(self) -> str:
        """The hash of its identity, 64 hex digits."""
        return digest(self.identity)

    def seeds(self) -> list[str]:
        """Names of the runs that are complete (or failed), in numerical order."""
        return sorted((name for name in self._stored() if run_key(name) is not None), key=_by_number)

    def with_model(self) -> list[str]:
        """Names of those that kept their model, in numerical order."""
        return [name for name in self.seeds() if (self.folder / name / MODEL).is_file()]

    def strays(self) -> list[str]:
        """Names of folders that hold a run, but are no run's name: copies, mostly. None of them counts."""
        return sorted(name for name in self._stored() if run_key(name) is None)

    def _stored(self) -> list[str]:
        names = [path.name for path in self.folder.iterdir() if (path / RUN).is_file()]
        return [name for name in names if not name.startswith(".")]


def experiment_folder(runs: Path, recipe: Recipe, identity: dict[str, Any]) -> Path:
    """The folder of an experiment under the runs folder."""
    return runs / f"{stem(recipe)}-{digest(identity)[:8]}"


def stem(recipe: Recipe) -> str:
    """The beginning of the name of an experiment's folder: model, corpus, part. Always a single file name."""
    words = [recipe.model.title, recipe.corpus.title, recipe.corpus.part]
    name = "-".join(re.sub(r"[^\w.+-]", "-", word).strip(".") for word in words)
    return name.encode()[:LONGEST].decode(errors="ignore")


def store_experiment(experiment: StoredExperiment) -> None:
    """Write what the runs share, or check that what lies there is the same experiment.

    Raises GlamError where the folder holds another experiment (a collision of 8 hex digits, or a damaged file).
    """
    path, table = experiment.folder / EXPERIMENT, _table(experiment)
    try:
        stored = read_json(path) if path.is_file() else None
        if stored is not None and stored.get("identity") != json.loads(canonical_json(experiment.identity)):
            raise GlamError(
                f"{path}: belongs to another experiment (its settings differ from the ones asked for, though the "
                "name is the same). Move that folder away, or choose another with --runs-folder."
            )
        files = {UTTERANCES: sha256(table).hexdigest()}
        holds = _holds(experiment.folder / UTTERANCES, table)
        if stored is not None and holds and stored.get("files", files) == files:
            return
        content = stored or {
            "identity": experiment.identity,
            "recipe": experiment.recipe.model_dump(mode="json"),
            "composition": experiment.composition.model_dump(),
            "utterances": len(experiment.ids),
            "folds": experiment.folds,
        }
        if stored is None and experiment.own_recipe is not None:
            content |= {"own_recipe": experiment.own_recipe.model_dump(mode="json")}
        if stored is None and experiment.remarks:
            content |= {"remarks": experiment.remarks, "unlike_print": experiment.unlike_print}
        experiment.folder.mkdir(parents=True, exist_ok=True)
        if not holds:  # new, damaged, or from before what utterances belong to was kept
            write_bytes(experiment.folder / UTTERANCES, table)
        write_text(path, hashed_json(content | {"files": files}, indent=1))
    except OSError as error:
        raise GlamError(
            f"{experiment.folder}: cannot be written: "
            + in_the_way(error, "Make room or mend it, or choose another folder with --runs-folder or GLAM_RUNS.")
        ) from None
    except ValueError as error:
        raise GlamError(f"{path}: {damaged(error)} {_ANEW}") from None


def _table(experiment: StoredExperiment) -> bytes:
    rows = io.StringIO(newline="")
    table = csv.writer(rows, lineterminator="\n")
    table.writerow(["index", "utterance", "class", *experiment.groups])
    for i, (utterance, target) in enumerate(zip(experiment.ids, experiment.targets, strict=True)):
        belongs_to = [grouping.names[grouping.codes[i]] for grouping in experiment.groups.values()]
        table.writerow([i, utterance, experiment.classes[target], *belongs_to])
    return rows.getvalue().encode()


def _holds(path: Path, content: bytes) -> bool:
    return path.is_file() and path.read_bytes() == content


def experiment_of(run: Path) -> StoredExperiment:
    """The experiment of the run in that folder, which may be a link to elsewhere."""
    return read_experiment(run.absolute().parent)


def read_experiment(folder: Path) -> StoredExperiment:
    """The experiment of that folder; GlamError where it is none or damaged."""
    if not (folder / EXPERIMENT).is_file():
        raise GlamError(f"{folder}: no experiment lies here (a folder with {EXPERIMENT} was expected)")
    try:
        content = read_json(folder / EXPERIMENT)
        table = (folder / UTTERANCES).read_bytes()
        if "files" in content and sha256(table).hexdigest() != content["files"][UTTERANCES]:
            raise ValueError(f"{UTTERANCES} is not what was written")
        if content["identity"].get("format") != FORMAT:
            content = upgraded(content)
        recipe = recorded(content["recipe"], str(folder / EXPERIMENT))
        own = content.get("own_recipe")
        index = {name: i for i, name in enumerate(recipe.corpus.classes)}
        rows = [plain_content(row) for row in csv.DictReader(io.StringIO(table.decode(), newline=""))]
        if [row["index"] for row in rows] != [str(i) for i in range(len(rows))]:
            raise ValueError("the utterances are not numbered from 0")
        if len(rows) != content.get("utterances", len(rows)):  # absent from the earliest experiments
            raise ValueError(f"{len(rows)} utterances, expected {content['utterances']}")
        kinds = [name for name in (rows[0] if rows else {}) if name not in _OWN]
        return StoredExperiment(
            folder=folder,
            recipe=recipe,
            identity=dict(content["identity"]),
            composition=Composition.model_validate(content["composition"]),
            ids=tuple(row["utterance"] for row in rows),
            targets=np.array([index[row["class"]] for row in rows], dtype=np.int64),
            groups={name: Grouping.of([row[name] for row in rows]) for name in kinds},
            folds=tuple(str(name) for name in content.get("folds", ())),
            remarks=tuple(str(line) for line in content.get("remarks", ())),
            unlike_print=str(content.get("unlike_print", "")),
            own_recipe=recorded(own, str(folder / EXPERIMENT)) if own is not None else None,
        )
    except (OSError, KeyError, TypeError, ValueError, AttributeError, csv.Error) as error:
        raise GlamError(f"{folder}: {EXPERIMENT} or {UTTERANCES}: {damaged(error)} {_ANEW}") from None


def run_of(experiment: StoredExperiment, name: str) -> StoredRun:
    """The run of that name, as sound as can be seen without training it again; GlamError as `sound_run`."""
    return sound_run(experiment, name)[0]


def sound_run(experiment: StoredExperiment, name: str) -> tuple[StoredRun, Predictions | None]:
    """The run of that name, as sound as can be seen without training it again, and its predictions: None if it failed.

    Raises GlamError where it is damaged, where its folder is a copy of another run's or from another experiment, and
    where its confusion matrices are not those of its logits.
    """
    run = read_run(experiment.folder / name)
    if run.key.name != name:
        raise GlamError(f"{run.folder}: holds the run of {run.key}, so this is a copy, or was renamed")
    if run.experiment and run.experiment != experiment.digest:
        raise GlamError(f"{run.folder}: holds a run of another experiment (digest {run.experiment[:8]})")
    if run.fold is not None and not 1 <= run.fold <= len(experiment.folds):
        raise GlamError(f"{run.folder}: the experiment has {len(experiment.folds)} folds")
    if run.fold is None and experiment.folds:
        raise GlamError(f"{run.folder}: is of no fold, and the experiment has {len(experiment.folds)}")
    return run, run.predictions(experiment.targets) if run.failed is None else None


_ANEW = f"Delete {EXPERIMENT} there and run the same training command again: it is written anew, finished runs stay."


def _by_number(name: str) -> tuple[int, int, str]:
    seed, _, fold = name.partition("-fold")
    return (int(seed) if seed.isdigit() else -1, int(fold) if fold.isdigit() else 0, name)
