"""The plain loop, in the manner of the released implementation: what a ratio of 1 stands for.

The network is ours, so that only the way of training differs. A step is what everybody writes, and `memory_epochs`
watches that nothing slows it: beside it the same forward pass, backward pass and optimiser with nothing around them.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

import librosa
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

from benchmarks.problem import CORES, Problem, Seconds, cut_of, wait_for
from glam.corpora.audio import RATE, read_audio
from glam.inputs.cut import Part
from glam.inputs.inputs import Input, Shape
from glam.inputs.spectral import MelSpectrogram, Mfcc
from glam.learning.settings import Adam
from glam.models import build
from glam.recipe import AUDIO, Recipe

Batch = tuple[Tensor, Tensor]


class Segments(Dataset[Batch]):
    """Segments in memory, one at a time: rows (n,) of features (N, F, T) and of targets (N,)."""

    def __init__(self, features: Tensor, targets: Tensor, rows: NDArray[np.int64]) -> None:
        self.features = features
        self.targets = targets
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Batch:
        row = self.rows[index]
        return self.features[row], self.targets[row]


@dataclass(frozen=True, eq=False)
class Data:
    """Segments to train on, and those of each held-out utterance, (n, F, T) each."""

    train: Segments
    held_out: Sequence[Tensor]


class Plain:
    """A model and its optimiser, trained as the release does."""

    def __init__(self, recipe: Recipe, shape: Shape, device: torch.device) -> None:
        settings = recipe.training
        self.device = device
        self.alpha = settings.alpha
        self.model: nn.Module = build(recipe.model, len(recipe.corpus.classes), {AUDIO: shape})
        self.model.to(device)
        self.optimiser: torch.optim.Optimizer
        if isinstance(settings.optimizer, Adam):
            self.optimiser = torch.optim.Adam(
                self.model.parameters(), lr=settings.lr, weight_decay=settings.weight_decay
            )
        else:
            self.optimiser = torch.optim.SGD(
                self.model.parameters(),
                lr=settings.lr,
                momentum=settings.optimizer.momentum,
                nesterov=True,
                weight_decay=settings.weight_decay,
            )

    def step(self, x: Tensor, y: Tensor) -> float:
        """One step with mixup; its loss."""
        x, y = x.to(self.device), y.to(self.device)
        if self.alpha:
            share = np.random.beta(self.alpha, self.alpha)
            order = torch.randperm(len(x), device=self.device)
            logits = self.model(share * x + (1 - share) * x[order])
            loss = share * F.cross_entropy(logits, y) + (1 - share) * F.cross_entropy(logits, y[order])
        else:
            loss = F.cross_entropy(self.model(x), y)
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        return loss.item()

    def bare_step(self, x: Tensor, y: Tensor) -> None:
        """Forward pass, backward pass, optimiser, and nothing else."""
        loss = F.cross_entropy(self.model(x), y)
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()

    def evaluate(self, utterances: Sequence[Tensor]) -> list[int]:
        """The class of each utterance: the mean over its segments' logits; one at a time, gradients on."""
        self.model.eval()
        return [int(self.model(x.to(self.device)).mean(dim=0).argmax()) for x in utterances]


def plain_epochs(recipe: Recipe, data: Data, device: torch.device) -> Iterator[Seconds]:
    """One epoch after the other: a DataLoader of single items, its batches collated item by item; an evaluation."""
    loader = DataLoader(data.train, batch_size=recipe.training.batches.size, shuffle=True)
    plain = Plain(recipe, data.train.features.shape[1:], device)
    while True:
        yield _epoch(plain, loader, plain.step, data.held_out)


def memory_epochs(problem: Problem, bare: bool) -> Iterator[Seconds]:
    """The plain loop's own steps, or bare ones, on batches that lie ready on the device; no evaluation."""
    device = torch.device(problem.device)
    data = made_up(problem).train
    batches = list(
        zip(data.features.to(device).split(problem.batch), data.targets.to(device).split(problem.batch), strict=True)
    )
    plain = Plain(problem.recipe, problem.shape, device)
    step = plain.bare_step if bare else plain.step
    while True:
        yield _epoch(plain, islice(cycle(batches), problem.steps), step, ())


def made_up(problem: Problem) -> Data:
    """The problem's segments as the plain loop wants them."""
    features = torch.from_numpy(np.load(problem.features))
    targets = torch.from_numpy(problem.targets(np.arange(len(features))))
    held_out = torch.from_numpy(problem.rows(sum(problem.held_out))).split(list(problem.held_out))
    return Data(
        Segments(features, targets, problem.rows(problem.steps * problem.batch)),
        [features[rows] for rows in held_out],
    )


def _epoch(
    plain: Plain, batches: Iterable[Batch], step: Callable[[Tensor, Tensor], object], held_out: Sequence[Tensor]
) -> Seconds:
    torch.set_num_threads(CORES)
    with _released_arithmetic():
        plain.model.train()
        wait_for(plain.device)
        start = time.perf_counter()
        for x, y in batches:
            step(x, y)
        wait_for(plain.device)
        middle = time.perf_counter()
        plain.evaluate(held_out)
        return Seconds(middle - start, time.perf_counter() - middle)


@contextmanager
def _released_arithmetic() -> Iterator[None]:
    """As in the release: deterministic cuDNN, and PyTorch's default, by which convolutions may use TF32."""
    cudnn = torch.backends.cudnn
    before = torch.get_float32_matmul_precision(), cudnn.allow_tf32, cudnn.deterministic
    torch.set_float32_matmul_precision("highest")
    cudnn.allow_tf32, cudnn.deterministic = True, True
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before[0])
        cudnn.allow_tf32, cudnn.deterministic = before[1:]


def plain_features(paths: Sequence[Path], recipe: Recipe, part: Part) -> list[NDArray[np.float32]]:
    """Features (n, F, T) of each recording: read, cut, and computed one segment at a time."""
    audio, cut = recipe.inputs[AUDIO].make(), cut_of(recipe)
    features = []
    for path in paths:
        sound = read_audio(path)
        starts = cut.starts(len(sound), part)
        features.append(np.stack([plain_feature(sound[start : start + cut.samples], audio) for start in starts]))
    return features


def plain_feature(segment: NDArray[np.float32], audio: Input) -> NDArray[np.float32]:
    """Features (F, T) of one segment (samples,): by librosa, and APCNN's spectrogram, which it has not, by NumPy."""
    feature: NDArray[np.float32]
    if isinstance(audio, Mfcc):
        feature = librosa.feature.mfcc(y=segment, sr=RATE, n_mfcc=audio.coefficients, pad_mode=audio.pad_mode)
    elif isinstance(audio, MelSpectrogram):
        power = librosa.feature.melspectrogram(
            y=segment, sr=RATE, n_fft=800, hop_length=400, n_mels=128, pad_mode=audio.pad_mode
        )
        feature = np.log10(np.maximum(power, 1e-10))
    else:
        padded = np.pad(segment, (0, -(len(segment) - 640) % 160))
        frames = librosa.util.frame(padded, frame_length=640, hop_length=160, axis=0)
        decibels = 10 * np.log10(np.maximum(np.abs(np.fft.rfft(frames, 3198)) ** 2 / 3198, 1e-30))
        feature = (decibels - decibels.max())[:, :400].T.astype(np.float32)
    return feature
