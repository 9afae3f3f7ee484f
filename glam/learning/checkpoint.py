"""A run under way, on disk: everything that `train` needs to go on to the bit, in one safetensors file."""

import json
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from glam.errors import GlamError
from glam.files import write_bytes
from glam.learning.course import RunState
from glam.learning.epoch import Epoch
from glam.learning.learner import Learns

FORMAT = "3"


class DamagedCheckpoint(GlamError):
    """A checkpoint that cannot be read, or is of another experiment or version; nothing was loaded from it."""


def save_checkpoint(
    path: Path,
    learner: Learns,
    state: RunState,
    identity: str,
    extra: dict[str, Tensor],
    notes: dict[str, Any],
) -> None:
    """Write the checkpoint of a run in one piece, replacing the one before.

    identity: of the experiment and the run; a checkpoint of another is not resumed. extra: more tensors to keep (the
    weights of the best epoch so far); notes: more plain data.
    """
    tensors = {f"model/{name}": tensor for name, tensor in learner.weights().items()}
    tensors |= {f"optimiser/{name}": tensor for name, tensor in learner.optimiser_state().items()}
    tensors["losses"] = torch.tensor(state.losses_read(), dtype=torch.float32)
    if state.logits:
        tensors["logits"] = torch.from_numpy(np.stack(state.logits))
        tensors["segment_classes"] = torch.from_numpy(np.stack(state.segment_classes))
    tensors |= {f"extra/{name}": tensor for name, tensor in extra.items()}
    plain = {
        "epoch": state.epoch,
        "step": state.step,
        "seconds": state.seconds,
        "epochs": [asdict(epoch) for epoch in state.epochs],
        "notes": notes,
    }
    meta = {"format": FORMAT, "identity": identity, "state": json.dumps(plain)}
    # Copies: safetensors take no tensors that share their memory, as a model's of tied weights do.
    tensors = {name: t.detach().cpu().contiguous().clone() for name, t in tensors.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, save(tensors, meta | {"sha256": _hash(tensors, meta["state"])}))


def load_checkpoint(
    path: Path, learner: Learns, identity: str
) -> tuple[RunState, dict[str, Tensor], dict[str, Any]] | None:
    """Bring the learner to where the checkpoint left it; returns its state, extra tensors and notes.

    None where there is no checkpoint. Raises DamagedCheckpoint where it is damaged or belongs to another experiment:
    the learner is then as it was.
    """
    if not path.is_file():
        return None
    try:
        with safe_open(path, "pt") as file:
            meta = file.metadata() or {}
            if meta.get("format") != FORMAT or meta.get("identity") != identity:
                raise DamagedCheckpoint(f"{path}: the checkpoint of another experiment or version")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
        if _hash(tensors, meta["state"]) != meta["sha256"]:
            raise ValueError("its content is not what was written")
        stored = json.loads(meta["state"])
        state = RunState(
            epoch=int(stored["epoch"]),
            step=int(stored["step"]),
            losses=list(tensors["losses"].to(learner.device).unbind()),
            seconds=float(stored["seconds"]),
            epochs=[Epoch(**epoch) for epoch in stored["epochs"]],
        )
        if state.epochs:
            state.logits = list(tensors["logits"].numpy())
            state.segment_classes = list(tensors["segment_classes"].numpy())
        notes = dict(stored["notes"])
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise DamagedCheckpoint(f"{path}: a damaged checkpoint ({type(error).__name__}: {error})") from None
    try:
        learner.load(_under(tensors, "model/"), _under(tensors, "optimiser/"))
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise GlamError(
            f"{path}: a checkpoint that does not fit the model ({type(error).__name__}: {error}). Move it away and run "
            "again: its run starts anew, finished runs stay."
        ) from None
    return state, _under(tensors, "extra/"), notes


def _hash(tensors: dict[str, Tensor], state: str) -> str:
    """SHA-256 of all that a checkpoint holds; safetensors have none of their own."""
    whole = sha256(state.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        whole.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        whole.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return whole.hexdigest()


def _under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name[len(prefix) :]: tensor for name, tensor in tensors.items() if name.startswith(prefix)}
