"""MSCNN-SPU and its relatives: against recorded values, utterance by utterance, and in packs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, stack_module_state, vmap
from torch.nn import functional

from glam.models.dropout import is_seed, seeds
from glam.models.mscnn import (
    AUDIO_KERNELS,
    TEXT_KERNELS,
    attend,
    audio_cnn,
    mscnn_spu,
    mscnn_spu_att,
    outside,
    pooled,
    swem,
    text_cnn,
)

AUDIO, WORDS, SPEAKER = (96, 750), (128, 300), (512,)
# The columns of the recorded hidden layer that belong to each part.
COLUMNS = {
    "audio": slice(0, 1536),
    "speaker": slice(1536, 2048),
    "text": slice(2048, 3584),
    "swem": slice(3584, 4184),
    "attention": slice(4184, 5720),
}
Golden = dict[str, NDArray[Any]]


@pytest.fixture(scope="module")
def golden(shared: Path) -> Golden:
    with np.load(shared / "parity" / "next" / "mscnn_forward.npz") as arrays:
        return dict(arrays)


def loaded(model: nn.Module, golden: Golden, *parts: str) -> nn.Module:
    """The model with the recorded weights, of the hidden layer those of these parts, in evaluation mode."""
    weights = {
        f"{branch}.mscnn.convolutions.{i}.{kind}": golden[f"weights/{branch}/conv{kernel}/{kind}"]
        for branch, kernels in (("audio", AUDIO_KERNELS), ("text", TEXT_KERNELS))
        for i, kernel in enumerate(kernels)
        for kind in ("weight", "bias")
        if branch in parts
    }
    dense = golden["weights/dense/weight"]
    weights["classify.dense.weight"] = np.concatenate([dense[:, COLUMNS[part]] for part in parts], axis=1)
    weights["classify.dense.bias"] = golden["weights/dense/bias"]
    weights |= {f"classify.out.{kind}": golden[f"weights/out/{kind}"] for kind in ("weight", "bias")}
    model.load_state_dict({key: torch.from_numpy(weight) for key, weight in weights.items()})
    return model.eval()


def inputs(golden: Golden) -> tuple[Tensor, ...]:
    names = ("audio", "audio_length", "tokens", "token_length", "xvector")
    return tuple(torch.from_numpy(golden[name]) for name in names)


def variant(golden: Golden, name: str) -> tuple[nn.Module, tuple[Tensor, ...]]:
    """The recorded variant of that name, and what it takes."""
    make = mscnn_spu_att if "att" in name else mscnn_spu
    attention = ("attention",) if "att" in name else ()
    if name.endswith("noxvector"):
        return loaded(make(4, AUDIO, WORDS), golden, "audio", "text", "swem", *attention), inputs(golden)[:4]
    model = make(4, AUDIO, WORDS, SPEAKER)
    return loaded(model, golden, "audio", "speaker", "text", "swem", *attention), inputs(golden)


VARIANTS = ["spu", "spu_noxvector", "spu_att", "spu_att_noxvector"]


@pytest.mark.parametrize("name", VARIANTS)
def test_logits_and_parameters_are_the_recorded_ones(name: str, golden: Golden) -> None:
    model, given = variant(golden, name)
    with torch.inference_mode():
        np.testing.assert_allclose(model(*given), golden[f"logits_{name}"], rtol=0, atol=1e-5)
    assert sum(parameter.numel() for parameter in model.parameters()) == golden[f"parameters_{name}"]


def test_in_double_precision_the_logits_are_the_recorded_ones_to_the_last_digits(golden: Golden) -> None:
    model, given = variant(golden, "spu_att")
    with torch.inference_mode():
        logits = model.double()(*(x.double() if x.is_floating_point() else x for x in given))
    np.testing.assert_allclose(logits, golden["logits_spu_att"], rtol=0, atol=1e-12)


@torch.inference_mode()
def test_every_step_on_the_way_is_the_recorded_one(golden: Golden) -> None:
    model, given = variant(golden, "spu_att")
    audio, audio_length, words, words_length, speaker = given
    (statistics, passed_on) = model.get_submodule("audio")(audio, audio_length, speaker)
    (text_statistics, embeddings), maps, beyond = model.get_submodule("text")(words, words_length)
    weights, attended = attend(statistics, maps, beyond, 1)
    assert passed_on is speaker
    embed: Callable[..., Tensor] = model.embed  # type: ignore[assignment]
    for name, value in {
        "audio_spu": statistics.flatten(1),
        "text_spu": text_statistics.flatten(1),
        "swem": embeddings,
        "attention_weights": weights[:, 0],
        "attention": attended.flatten(1),
        "hidden": embed(*given),
    }.items():
        np.testing.assert_allclose(value, golden[f"trace/{name}"], rtol=1e-5, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("name", VARIANTS)
def test_an_utterance_alone_and_cut_to_its_length_gives_the_same(name: str, golden: Golden) -> None:
    model, given = variant(golden, name)
    with torch.inference_mode():
        together = model(*given)
        for row in range(len(together)):
            audio, audio_length, words, words_length, *speaker = (x[row : row + 1] for x in given)
            audio, words = audio[..., : int(audio_length)], words[:, : int(words_length)]
            alone = model(audio, audio_length, words, words_length, *speaker)
            torch.testing.assert_close(alone[0], together[row], rtol=0, atol=1e-5)


def test_the_networks_of_one_modality_are_the_halves_of_the_whole(golden: Golden) -> None:
    audio, audio_length, words, words_length, speaker = inputs(golden)
    dense, bias = torch.from_numpy(golden["weights/dense/weight"]), torch.from_numpy(golden["weights/dense/bias"])
    trace = {part: torch.from_numpy(golden[f"trace/{part}"]).float() for part in ("audio_spu", "text_spu", "swem")}

    def expected(**parts: Tensor) -> Tensor:
        return sum((x @ dense[:, COLUMNS[part]].T for part, x in parts.items()), bias).relu()

    for model, given, hidden in (
        (loaded(audio_cnn(4, AUDIO), golden, "audio"), (audio, audio_length), expected(audio=trace["audio_spu"])),
        (
            loaded(audio_cnn(4, AUDIO, SPEAKER), golden, "audio", "speaker"),
            (audio, audio_length, speaker),
            expected(audio=trace["audio_spu"], speaker=speaker),
        ),
        (loaded(text_cnn(4, WORDS), golden, "text"), (words, words_length), expected(text=trace["text_spu"])),
        (
            loaded(text_cnn(4, WORDS, swem=True), golden, "text", "swem"),
            (words, words_length),
            expected(text=trace["text_spu"], swem=trace["swem"]),
        ),
    ):
        embed: Callable[..., Tensor] = model.embed  # type: ignore[assignment]
        with torch.inference_mode():
            torch.testing.assert_close(embed(*given), hidden, rtol=1e-5, atol=1e-5)
            logits = hidden @ torch.from_numpy(golden["weights/out/weight"]).T
            logits = logits + torch.from_numpy(golden["weights/out/bias"])
            torch.testing.assert_close(model(*given), logits, rtol=1e-5, atol=1e-5)


SMALL_AUDIO, SMALL_WORDS, SMALL_SPEAKER = (6, 30), (12, 5), (4,)


def batch(rows: int = 3, seed: int = 0, kind: torch.dtype = torch.float64) -> tuple[Tensor, ...]:
    """Small inputs, padded with zeros."""
    draw = torch.Generator().manual_seed(seed)
    audio = torch.randn(rows, *SMALL_AUDIO, dtype=kind, generator=draw)
    words = torch.randn(rows, *SMALL_WORDS, dtype=kind, generator=draw)
    audio_length = torch.randint(1, SMALL_AUDIO[1] + 1, (rows,), generator=draw)
    words_length = torch.randint(1, SMALL_WORDS[0] + 1, (rows,), generator=draw)
    audio = audio.masked_fill(outside(audio_length, SMALL_AUDIO[1], "masked"), 0)
    words = words.masked_fill(outside(words_length, SMALL_WORDS[0], "masked").transpose(1, 2), 0)
    return audio, audio_length, words, words_length, torch.randn(rows, *SMALL_SPEAKER, dtype=kind, generator=draw)


def small(**options: Any) -> nn.Module:
    torch.manual_seed(0)
    return mscnn_spu_att(3, SMALL_AUDIO, SMALL_WORDS, SMALL_SPEAKER, dense=8, **options).double()


def test_masked_padding_may_hold_anything_and_counted_padding_counts() -> None:
    audio, audio_length, words, words_length, speaker = batch()
    noisy = (
        audio + outside(audio_length, audio.shape[2], "masked") * 9,
        audio_length,
        words - outside(words_length, words.shape[1], "masked").transpose(1, 2) * 9,
        words_length,
        speaker,
    )
    masked, counted = small().eval(), small(padding="counted").eval()
    clean = masked(audio, audio_length, words, words_length, speaker)
    assert torch.equal(masked(*noisy), clean)
    everything = counted(audio, audio_length, words, words_length, speaker)
    assert not torch.allclose(everything, clean)
    # counted: as if every utterance were as long as the array
    full = (torch.full_like(audio_length, audio.shape[2]), torch.full_like(words_length, words.shape[1]))
    assert torch.equal(everything, masked(audio, full[0], words, full[1], speaker))


def test_the_statistics_are_those_of_the_positions_that_count() -> None:
    audio, length, *_ = batch()
    beyond = outside(length, audio.shape[2], "masked")
    maps = audio.relu()
    for row, (statistics, n) in enumerate(zip(pooled(maps, beyond, "spu"), length, strict=True)):
        own = maps[row, :, : int(n)]
        expected = torch.stack((own.amax(1), own.mean(1), (own.var(1, correction=0) + 1e-5).sqrt()))
        torch.testing.assert_close(statistics, expected)
    assert torch.equal(pooled(maps, beyond, "max"), pooled(maps, beyond, "spu")[:, :1])


def test_swem_takes_a_negative_maximum_rather_than_the_padding() -> None:
    words = torch.full((1, 2, 4), -3.0)
    words[..., 2:] = 0
    embeddings = swem(words, outside(torch.tensor([2]), 4, "masked"))
    assert embeddings.tolist() == [[-3.0] * 4]


@pytest.mark.parametrize("scales", [1, 4])
def test_attention_is_equations_4_to_6(scales: int) -> None:
    draw = torch.Generator().manual_seed(1)
    queries, maps = torch.randn(2, 3, 8, generator=draw), torch.randn(2, 8, 5, generator=draw)
    length, width = torch.tensor([5, 2]), 8 // scales
    weights, attended = attend(queries, maps, outside(length, 5, "masked"), scales)
    for row in range(2):
        for statistic in range(3):
            for scale in range(scales):
                part = slice(width * scale, width * (scale + 1))
                keys = maps[row, part, : int(length[row])].T
                expected = (keys @ queries[row, statistic, part]).softmax(0)
                torch.testing.assert_close(weights[row, scale, statistic, : int(length[row])], expected)
                assert (weights[row, scale, statistic, int(length[row]) :] == 0).all()
                torch.testing.assert_close(attended[row, statistic, part], expected @ keys)


@pytest.mark.parametrize(
    ("options", "features"),
    [
        ({}, 4184),
        ({"speaker": None}, 3672),  # Table 2, cumulative, downwards
        ({"speaker": None, "text_pooling": "max"}, 2648),
        ({"speaker": None, "text_pooling": "max", "swem": False}, 2048),
        ({"speaker": None, "text_pooling": "max", "swem": False, "audio_pooling": "max"}, 1024),
        ({"text_pooling": "max"}, 3160),  # one at a time
        ({"swem": False}, 3584),
        ({"audio_pooling": "max"}, 3160),
    ],
)
def test_ablations_take_parts_away(options: dict[str, Any], features: int) -> None:
    convolutions = 393_728 + 538_112
    rest = {"speaker": SPEAKER, **options}
    for make, attended in ((mscnn_spu, 0), (mscnn_spu_att, 512 if options.get("audio_pooling") == "max" else 1536)):
        model = make(4, AUDIO, WORDS, **rest)
        expected = convolutions + 256 * (features + attended + 1) + 4 * 257
        assert sum(parameter.numel() for parameter in model.parameters()) == expected


@pytest.mark.parametrize(
    "options",
    [{"audio_pooling": "max"}, {"text_pooling": "max"}, {"swem": False}, {"scales": "apart"}, {"padding": "counted"}],
    ids=str,
)
def test_every_option_trains_and_acts(options: dict[str, Any]) -> None:
    model, target = small(**options), torch.tensor([0, 1, 2])
    functional.cross_entropy(model.train()(*batch()), target).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None
        assert torch.isfinite(parameter.grad).all()
        assert parameter.grad.any(), name
    shapes = [parameter.shape for parameter in small().parameters()]
    if [parameter.shape for parameter in model.parameters()] == shapes:
        assert not torch.allclose(model.eval()(*batch()), small().eval()(*batch()))


def test_one_frame_and_one_token_are_enough() -> None:
    model = small()
    audio, _, words, _, speaker = batch()
    once = torch.ones(3, dtype=torch.int64)
    loss = functional.cross_entropy(model(audio, once, words, once, speaker), torch.tensor([0, 1, 2]))
    loss.backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: mscnn_spu(4, (96,), WORDS), r"the shape of audio is \(96,\), expected 2 sizes"),
        (lambda: mscnn_spu(4, AUDIO, (128, 0)), r"the shape of words is \(128, 0\)"),
        (lambda: mscnn_spu(4, AUDIO, WORDS, (1, 512)), r"the shape of speaker is \(1, 512\), expected 1 size of"),
        (lambda: mscnn_spu(0, AUDIO, WORDS), "classes is 0, expected at least 1"),
        (lambda: text_cnn(4, WORDS, dense=0), "dense is 0, expected at least 1"),
        (lambda: audio_cnn(4, AUDIO, dropout=1.0), r"dropout is 1\.0"),
        (lambda: audio_cnn(4, AUDIO, audio_pooling="mean"), "audio_pooling is 'mean', expected one of: spu, max"),  # type: ignore[arg-type]
        (lambda: text_cnn(4, WORDS, text_pooling="std"), "text_pooling is 'std'"),  # type: ignore[arg-type]
        (lambda: mscnn_spu(4, AUDIO, WORDS, padding="none"), "padding is 'none', expected one of: masked, counted"),  # type: ignore[arg-type]
        (lambda: mscnn_spu_att(4, AUDIO, WORDS, scales="all"), "scales is 'all', expected one of: concatenated"),  # type: ignore[arg-type]
    ],
)
def test_what_a_model_cannot_be(make: Callable[[], nn.Module], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_dropout_is_a_function_of_the_seed_before_and_after_the_hidden_layer() -> None:
    model, given = small(), batch()
    drops = seeds(model)
    assert len(drops) == 2
    outputs = []
    for seed in (1, 1, 2):
        for buffer in drops:
            buffer.fill_(seed)
        outputs.append(model.train()(*given))
    assert torch.equal(outputs[0], outputs[1])
    assert not torch.equal(outputs[0], outputs[2])
    assert torch.equal(small(dropout=0.0).train()(*given), model.eval()(*given))
    streams = {model.get_submodule(f"classify.{place}").stream for place in ("before", "after")}
    assert len(streams) == 2


@pytest.mark.parametrize("scales", ["concatenated", "apart"])
def test_stacked_models_learn_what_each_would_alone(scales: str) -> None:
    models = [small(scales=scales) for _ in range(3)]
    for seed, model in enumerate(models, 5):
        for parameter in model.parameters():
            nn.init.normal_(parameter, std=0.1)
        for buffer in seeds(model):
            buffer.fill_(seed)
    target = torch.tensor([0, 1, 2])

    def loss(parameters: dict[str, Tensor], buffers: dict[str, Tensor], given: tuple[Tensor, ...]) -> Tensor:
        return functional.cross_entropy(functional_call(models[0], (parameters, buffers), given), target)

    given = [batch(seed=seed) for seed in range(3)]
    parameters, buffers = stack_module_state(models)
    assert any(is_seed(name) for name in buffers)
    gradients, losses = vmap(grad_and_value(loss))(
        parameters, buffers, tuple(torch.stack(same) for same in zip(*given, strict=True))
    )
    for i, model in enumerate(models):
        alone = functional.cross_entropy(model(*given[i]), target)
        alone.backward()
        torch.testing.assert_close(losses[i], alone, rtol=1e-10, atol=0)
        for name, parameter in model.named_parameters():
            torch.testing.assert_close(gradients[name][i], parameter.grad, rtol=1e-8, atol=1e-12)


def test_bfloat16_changes_the_convolutions_and_not_the_attention() -> None:
    model, given = small().float().eval(), batch(kind=torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = model(*given).float()
        queries, maps = 30 * torch.rand(1, 3, 8), 30 * torch.rand(1, 8, 5)
        beyond = outside(torch.tensor([5]), 5, "masked")
        attended = attend(queries, maps, beyond, 1)[1]
    assert torch.equal(attended, attend(queries, maps, beyond, 1)[1])
    torch.testing.assert_close(mixed, model(*given), rtol=0.1, atol=0.05)
