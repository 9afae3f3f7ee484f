"""MSCNN-SPU and MSCNN-SPU-ATT (Peng et al., ICASSP 2021), and the networks of one modality beside them in Table 1.

A multi-scale convolution (section 3.1) spans all rows of its input and walks along the sequence with four kernel
sizes side by side. The statistical pooling unit (SPU, equation 3) takes maximum, mean and standard deviation of every
filter along the sequence. Of two modalities, the statistics of the sound may attend to the words (equations 4 to 6).
The parts are concatenated in this order and go through one hidden layer (section 3.4):

    audio SPU 1536 | speaker embedding | text SPU 1536 | SWEM 600 | attention 1536

A row is a whole utterance. An input that is a sequence comes padded with zeros and is followed by its lengths,
(batch,) int64 of at least 1. `padding` says what the padding is to pooling, SWEM and attention: `masked`, nothing, so
that an utterance gives the same in every batch; `counted`, positions like any other, as static shapes would have it.

Widths and kernel sizes are the paper's (section 4.2, Figure 1); the hidden layer is not given there.
"""

from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from glam.models import Shape
from glam.models.dropout import Dropout

Pooling = Literal["spu", "max"]
Padding = Literal["masked", "counted"]

FILTERS = 128  # of each kernel size
AUDIO_KERNELS = (5, 7, 9, 11)
TEXT_KERNELS = (2, 3, 4, 5)
EPSILON = 1e-5  # below the root of a variance, whose gradient is infinite at 0


def outside(length: Tensor, size: int, padding: str) -> Tensor:
    """Positions that do not count, (batch, 1, size) bool, of sequences of these lengths (batch,)."""
    first = torch.full_like(length, size) if padding == "counted" else length
    return torch.arange(size, device=length.device) >= first[:, None, None]


class MultiScaleConvolution(nn.Module):
    """The MSCNN of one modality (section 3.1): a convolution for each kernel size, ReLU, side by side.

    Each is padded to the length of its input; of an even kernel, the odd zero is at the end.
    """

    def __init__(self, rows: int, kernels: tuple[int, ...]) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(nn.Conv1d(rows, FILTERS, kernel) for kernel in kernels)
        self.kernels = kernels

    @property
    def channels(self) -> int:
        """Filters of all kernel sizes together."""
        return FILTERS * len(self.kernels)

    def forward(self, x: Tensor, outside: Tensor) -> Tensor:
        """(batch, rows, T) to (batch, channels, T), kernel sizes ascending; 0 at the positions outside, as in x."""
        x = x.masked_fill(outside, 0)
        maps = [
            convolution(functional.pad(x, ((kernel - 1) // 2, kernel // 2))).relu()
            for kernel, convolution in zip(self.kernels, self.convolutions, strict=True)
        ]
        together = torch.cat(maps, dim=1)
        # What follows sums hundreds of positions, and its scores are not scaled: not in bfloat16.
        return together.to(torch.promote_types(together.dtype, torch.float32)).masked_fill(outside, 0)


def pooled(maps: Tensor, outside: Tensor, pooling: str) -> Tensor:
    """The statistics (batch, S, channels) of maps (batch, channels, T): maximum, mean, standard deviation; equation 3.

    maps: not negative, and 0 at the positions outside. outside: (batch, 1, T) bool. pooling: `max` takes the maximum
    alone, so that S is 1 in place of 3 (Table 2). The deviation is that of the population.
    """
    largest = maps.amax(dim=2)
    if pooling == "max":
        return largest.unsqueeze(1)
    count = (~outside).sum(dim=2)
    mean = maps.sum(dim=2) / count
    squares = (maps - mean.unsqueeze(2)).masked_fill(outside, 0).square()
    deviation = (squares.sum(dim=2) / count + EPSILON).sqrt()
    return torch.stack((largest, mean, deviation), dim=1)


def swem(words: Tensor, outside: Tensor) -> Tensor:
    """Maximum and mean over the tokens (batch, 2d) of embedded words (batch, d, L); sections 3.4 and 4.2."""
    words = words.to(torch.promote_types(words.dtype, torch.float32))
    largest = words.masked_fill(outside, -torch.inf).amax(dim=2)
    mean = words.masked_fill(outside, 0).sum(dim=2) / (~outside).sum(dim=2)
    return torch.cat((largest, mean), dim=1)


def attend(queries: Tensor, maps: Tensor, outside: Tensor, scales: int) -> tuple[Tensor, Tensor]:
    """Attention of the sound's statistics to the words (equations 4 to 6), without projections or scaling.

    queries: (batch, S, channels), the statistics. maps: (batch, channels, T), keys and values at once. outside:
    (batch, 1, T). scales: into how many equal parts the channels are split, each attending by itself.

    Returns the weights (batch, scales, S, T), 0 outside, and what is attended to (batch, S, channels).
    """
    with torch.autocast(maps.device.type, enabled=False):
        query = queries.unflatten(2, (scales, -1)).transpose(1, 2)
        key = maps.unflatten(1, (scales, -1))
        weights = (query @ key).masked_fill(outside.unsqueeze(1), -torch.inf).softmax(dim=-1)
        attended = weights @ key.transpose(2, 3)
    return weights, attended.transpose(1, 2).flatten(2)


class Classifier(nn.Module):
    """Dropout, hidden layer, ReLU, dropout, and a linear layer to the classes (section 3.4)."""

    def __init__(self, features: int, dense: int, classes: int, dropout: float) -> None:
        super().__init__()
        self.before = Dropout(dropout, 0)
        self.dense = nn.Linear(features, _positive("dense", dense))
        self.after = Dropout(dropout, 1)
        self.out = nn.Linear(dense, _positive("classes", classes))

    def hidden(self, *parts: Tensor) -> Tensor:
        """The hidden layer (batch, dense) of the parts (batch, ...), concatenated."""
        features = torch.cat([part.flatten(1) for part in parts], dim=1)
        hidden: Tensor = self.dense(self.before(features))
        return hidden.relu()

    def forward(self, hidden: Tensor) -> Tensor:
        """Logits (batch, classes) of a hidden layer."""
        logits: Tensor = self.out(self.after(hidden))
        return logits


class SoundBranch(nn.Module):
    """The half that hears: its statistics, and the speaker embedding as it is, if the model has one."""

    def __init__(self, audio: Shape, speaker: Shape | None, pooling: Pooling, padding: Padding) -> None:
        super().__init__()
        self.pooling = _choice("audio_pooling", pooling, get_args(Pooling))
        self.padding = _choice("padding", padding, get_args(Padding))
        self.mscnn = MultiScaleConvolution(_sizes("audio", audio, 2)[0], AUDIO_KERNELS)
        self.statistics = _statistics(pooling) * self.mscnn.channels
        self.features = self.statistics + (0 if speaker is None else _sizes("speaker", speaker, 1)[0])

    def forward(self, audio: Tensor, length: Tensor, speaker: Tensor | None) -> tuple[Tensor, ...]:
        """The statistics (batch, S, channels), and the embedding (batch, d) if it is given."""
        beyond = outside(length, audio.shape[2], self.padding)
        statistics = pooled(self.mscnn(audio, beyond), beyond, self.pooling)
        return (statistics,) if speaker is None else (statistics, speaker)


class WordBranch(nn.Module):
    """The half that reads: the statistics of their maps, SWEM, and the maps themselves to attend to."""

    def __init__(self, words: Shape, pooling: Pooling, with_swem: bool, padding: Padding) -> None:
        super().__init__()
        self.pooling = _choice("text_pooling", pooling, get_args(Pooling))
        self.padding = _choice("padding", padding, get_args(Padding))
        self.with_swem = with_swem
        dimension = _sizes("words", words, 2)[1]
        self.mscnn = MultiScaleConvolution(dimension, TEXT_KERNELS)
        self.features = _statistics(pooling) * self.mscnn.channels + 2 * dimension * with_swem

    def forward(self, words: Tensor, length: Tensor) -> tuple[tuple[Tensor, ...], Tensor, Tensor]:
        """The parts (batch, ...) for the hidden layer, the maps (batch, channels, L), and the positions outside."""
        sequence = words.transpose(1, 2)
        beyond = outside(length, sequence.shape[2], self.padding)
        maps = self.mscnn(sequence, beyond)
        statistics = pooled(maps, beyond, self.pooling)
        parts = (statistics, swem(sequence, beyond)) if self.with_swem else (statistics,)
        return parts, maps, beyond


class AudioNetwork(nn.Module):
    """Sound alone, with or without a speaker embedding."""

    def __init__(self, classes: int, audio: SoundBranch, dense: int, dropout: float) -> None:
        super().__init__()
        self.audio = audio
        self.classify = Classifier(audio.features, dense, classes, dropout)

    def embed(self, audio: Tensor, audio_length: Tensor, speaker: Tensor | None = None) -> Tensor:
        """The hidden layer (batch, dense)."""
        return self.classify.hidden(*self.audio(audio, audio_length, speaker))

    def forward(self, audio: Tensor, audio_length: Tensor, speaker: Tensor | None = None) -> Tensor:
        """Logits (batch, classes) of features (batch, F, T), their lengths (batch,), and embeddings (batch, d)."""
        logits: Tensor = self.classify(self.embed(audio, audio_length, speaker))
        return logits


class TextNetwork(nn.Module):
    """Words alone."""

    def __init__(self, classes: int, text: WordBranch, dense: int, dropout: float) -> None:
        super().__init__()
        self.text = text
        self.classify = Classifier(text.features, dense, classes, dropout)

    def embed(self, words: Tensor, words_length: Tensor) -> Tensor:
        """The hidden layer (batch, dense)."""
        parts, _, _ = self.text(words, words_length)
        return self.classify.hidden(*parts)

    def forward(self, words: Tensor, words_length: Tensor) -> Tensor:
        """Logits (batch, classes) of embedded tokens (batch, L, d) and their lengths (batch,)."""
        logits: Tensor = self.classify(self.embed(words, words_length))
        return logits


class SoundAndWords(nn.Module):
    """Both modalities (Figure 1).

    attention: into how many parts the channels are split before they attend; 0: no attention.
    """

    def __init__(
        self, classes: int, audio: SoundBranch, text: WordBranch, attention: int, dense: int, dropout: float
    ) -> None:
        super().__init__()
        self.audio = audio
        self.text = text
        self.attention = attention
        attended = audio.statistics if attention else 0
        self.classify = Classifier(audio.features + text.features + attended, dense, classes, dropout)

    def embed(
        self, audio: Tensor, audio_length: Tensor, words: Tensor, words_length: Tensor, speaker: Tensor | None = None
    ) -> Tensor:
        """The hidden layer (batch, dense)."""
        sound = self.audio(audio, audio_length, speaker)
        text, maps, beyond = self.text(words, words_length)
        attended = attend(sound[0], maps, beyond, self.attention)[1:] if self.attention else ()
        return self.classify.hidden(*sound, *text, *attended)

    def forward(
        self, audio: Tensor, audio_length: Tensor, words: Tensor, words_length: Tensor, speaker: Tensor | None = None
    ) -> Tensor:
        """Logits (batch, classes).

        Args:
            audio: (batch, F, T), zeros from audio_length on.
            audio_length: (batch,) int64, frames.
            words: (batch, L, d), embedded tokens, zeros from words_length on.
            words_length: (batch,) int64, tokens.
            speaker: (batch, d), where the model was made with its shape.
        """
        logits: Tensor = self.classify(self.embed(audio, audio_length, words, words_length, speaker))
        return logits


def mscnn_spu(
    classes: int,
    audio: Shape,
    words: Shape,
    speaker: Shape | None = None,
    *,
    dense: int = 256,
    dropout: float = 0.3,
    audio_pooling: Literal["spu", "max"] = "spu",
    text_pooling: Literal["spu", "max"] = "spu",
    swem: bool = True,
    padding: Literal["masked", "counted"] = "masked",
) -> nn.Module:
    """MSCNN-SPU (sections 3.1, 3.2 and 3.4): sound and words without attention; its options give Table 2.

    Args:
        classes: number of classes.
        audio: (F, T) of the features, (96, 750) in Figure 1.
        words: (L, d) of the embedded tokens, (128, 300) in Figure 1.
        speaker: (d,) of the speaker embedding; None: the branch is absent ("w/o X-vectors").
        dense: units of the hidden layer.
        dropout: before and after the hidden layer.
        audio_pooling, text_pooling: `spu`, or `max` ("w/o Audio-SPU", "w/o Text-SPU").
        swem: whether maximum and mean of the embeddings themselves are used; False: "w/o Text-SWEM".
        padding: `masked` or `counted`, see the top of this file.

    Raises ValueError for values and shapes that the model cannot have.
    """
    sound = SoundBranch(audio, speaker, audio_pooling, padding)
    text = WordBranch(words, text_pooling, swem, padding)
    return SoundAndWords(classes, sound, text, 0, dense, dropout)


def mscnn_spu_att(
    classes: int,
    audio: Shape,
    words: Shape,
    speaker: Shape | None = None,
    *,
    dense: int = 256,
    dropout: float = 0.3,
    audio_pooling: Literal["spu", "max"] = "spu",
    text_pooling: Literal["spu", "max"] = "spu",
    swem: bool = True,
    scales: Literal["concatenated", "apart"] = "concatenated",
    padding: Literal["masked", "counted"] = "masked",
) -> nn.Module:
    """MSCNN-SPU-ATT (section 3.3, Figure 1): MSCNN-SPU, and the sound's statistics attend to the words.

    Each statistic of the sound is a query: with audio_pooling `max` there is one in place of three.

    Args:
        scales: how the kernel sizes attend, on which equation 4 is silent. `concatenated`: a statistic of all of the
            sound's sizes to the words' maps of all sizes, as Figure 1's caption has it. `apart`: of the sound's
            smallest size to the words' map of the smallest size, and so on; as many values come out.

    The rest is as in `mscnn_spu`. Raises ValueError for values and shapes that the model cannot have.
    """
    attention = {"concatenated": 1, "apart": len(TEXT_KERNELS)}[_choice("scales", scales, ("concatenated", "apart"))]
    sound = SoundBranch(audio, speaker, audio_pooling, padding)
    text = WordBranch(words, text_pooling, swem, padding)
    return SoundAndWords(classes, sound, text, attention, dense, dropout)


def audio_cnn(
    classes: int,
    audio: Shape,
    speaker: Shape | None = None,
    *,
    dense: int = 256,
    dropout: float = 0.3,
    audio_pooling: Literal["spu", "max"] = "spu",
    padding: Literal["masked", "counted"] = "masked",
) -> nn.Module:
    """Audio-CNN, and with a speaker embedding Audio-CNN-xvector (Table 1): the sound's half of MSCNN-SPU.

    Arguments and errors are those of `mscnn_spu`.
    """
    return AudioNetwork(classes, SoundBranch(audio, speaker, audio_pooling, padding), dense, dropout)


def text_cnn(
    classes: int,
    words: Shape,
    *,
    dense: int = 256,
    dropout: float = 0.3,
    text_pooling: Literal["spu", "max"] = "spu",
    swem: bool = False,
    padding: Literal["masked", "counted"] = "masked",
) -> nn.Module:
    """Text-CNN (Table 1): the words' half of MSCNN-SPU; without SWEM, as section 4.3 says "MSCNN+SPU".

    Arguments and errors are those of `mscnn_spu`.
    """
    return TextNetwork(classes, WordBranch(words, text_pooling, swem, padding), dense, dropout)


def _statistics(pooling: Pooling) -> int:
    """Number of statistics of a filter."""
    return {"spu": 3, "max": 1}[pooling]


def _sizes(name: str, shape: Shape, dimensions: int) -> Shape:
    """The shape itself; ValueError if it has not so many sizes, each at least 1."""
    if len(shape) != dimensions or min(shape) < 1:
        sizes = "1 size" if dimensions == 1 else f"{dimensions} sizes"
        raise ValueError(f"the shape of {name} is {shape}, expected {sizes} of at least 1")
    return shape


def _choice(name: str, value: str, choices: tuple[str, ...]) -> str:
    """The value itself; ValueError if it is none of the choices."""
    if value not in choices:
        raise ValueError(f"{name} is {value!r}, expected one of: {', '.join(choices)}")
    return value


def _positive(name: str, value: int) -> int:
    """The value itself; ValueError if it is below 1."""
    if value < 1:
        raise ValueError(f"{name} is {value}, expected at least 1")
    return value
