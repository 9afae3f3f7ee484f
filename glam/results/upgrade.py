"""Experiments of format 1, from before inputs, cut and loss were chosen by name, as this version reads them.

They are only read: reports, tables and figures show them, and say so. Nothing is trained on them.
"""

from typing import Any

STYLES = {"full": {}, "improvised": {"style": ["improvised"]}, "scripted": {"style": ["scripted"]}}
FEATURES = {"mfcc": ("coefficients", "pad_mode"), "melspectrogram": ("pad_mode",)}
DEFAULTS = {"coefficients": 26, "pad_mode": "reflect"}
SEGMENTS = ("length", "train_overlap", "test_overlap", "padding")


def upgraded(content: dict[str, Any]) -> dict[str, Any]:
    """The content of experiment.json of format 1, with recipe and composition as they are now.

    Raises KeyError or TypeError where it is not what was written, ValueError for another format.
    """
    if content["identity"].get("format") != 1:
        raise ValueError(f"format {content['identity'].get('format')}, which this version does not know")
    facts = dict(content["composition"])
    facts["part"] = facts.pop("style")
    return content | {"recipe": recipe(content["recipe"]), "composition": facts}


def recipe(old: dict[str, Any]) -> dict[str, Any]:
    """A recipe of format 1 in the terms of format 2: the same settings."""
    corpus, training, features = (dict(old.get(section, {})) for section in ("corpus", "training", "features"))
    kind = features.get("kind", "mfcc")
    audio: dict[str, Any] = {"name": kind, "normalisation": training.get("normalisation", "none")}
    for field in FEATURES.get(kind, ()):
        if features.get(field, DEFAULTS[field]) != DEFAULTS[field]:  # else left out, as it would be now
            audio[field] = features[field]
    if copies := old.get("augmentation", {}).get("vtlp_copies", 0):
        audio["vtlp_copies"] = copies
    same = ("epochs", "lr", "weight_decay", "alpha", "class_weights", "upsampling", "precision", "shuffle_labels")
    sgd = training.get("optimizer", "adam") == "sgd"
    segments = old.get("segments", {})
    return {
        "name": old["name"],
        "corpus": {
            "name": corpus.get("name", "iemocap"),
            "where": STYLES[corpus.get("style", "improvised")],
            "labels": corpus.get("labels", {}),
            "min_length": corpus.get("min_length", 0.0),
        },
        "inputs": {"audio": audio},
        "cut": {"name": "segments"} | {field: segments[field] for field in SEGMENTS if field in segments},
        "split": _split(dict(old.get("split", {}))),
        "model": {field: value for field, value in old["model"].items() if value is not None},
        "training": {field: training[field] for field in same if field in training}
        | {
            "batches": {"name": "segments", "size": training.get("batch_size", 32)},
            "optimizer": {"name": "sgd", "momentum": training.get("momentum", 0.9)} if sgd else {"name": "adam"},
            "schedule": _schedule(training),
        },
        "evaluation": dict(old.get("evaluation", {})),
    }


def _split(old: dict[str, Any]) -> dict[str, Any]:
    protocol = old.get("protocol", "random")
    takes = {"random": "train_share", "random-speakers": "train_share", "k-fold": "folds"}.get(protocol)
    return {"name": protocol} | ({takes: old[takes]} if takes in old else {})


def _schedule(training: dict[str, Any]) -> dict[str, Any]:
    name = training.get("schedule", "decay")
    fields = {"decay": ("factor", "every"), "cosine": ("every",), "constant": ()}[name]
    given = {field: training[f"lr_{field}"] for field in fields if f"lr_{field}" in training}
    if name != "constant" and "lr_min" in training:
        given["least"] = training["lr_min"]
    return {"name": name, **given}
