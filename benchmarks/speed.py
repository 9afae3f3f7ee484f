#!/usr/bin/env python3
"""Speed of the engines beside a plain loop in the manner of the release: `python benchmarks/speed.py --help`.

In every round the plain loop and our engines take turns, and a ratio is of times from one round, as machines are
noisy. A table goes to the terminal, everything to a JSON file, throughput against runs at once to a figure.
"""

import argparse
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # this checkout's package, called from anywhere

import torch

from benchmarks.engines import Workers
from benchmarks.measure import Options, measure, measure_features
from benchmarks.problem import CORES, RECIPES, matrix_rates, released
from benchmarks.recordings import read_corpus
from benchmarks.report import STRAW_MAN, draw, model_text
from benchmarks.results import ModelResult, Row
from glam.cli.guard import guarded
from glam.errors import GlamError
from glam.progress import say
from glam.results.environment import environment

MOST_RUNS = 256
QUIET = 0.2  # load a core below which nothing else seems to run
GPU_BATCHES = tuple(2**n for n in range(5, 13))


def main() -> int:
    """The command; its exit status."""
    return guarded(_work)


def _work() -> None:
    args = _arguments()
    options = _options(args)
    device = torch.device(options.device)
    load = os.getloadavg()
    if load[0] > QUIET * CORES:
        say(f"the machine is busy (load {load[0]:.1f} on {CORES} cores): threads that wait for each other suffer most")
    rates = matrix_rates(device, args.quick)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else environment()["processor"]
    print(
        f"{name}, {CORES} CPU cores; matrix product, TFLOP/s:",
        ", ".join(f"{p} {r / 1e12:.2f}" for p, r in rates.items()),
    )
    results: dict[str, ModelResult] = {}
    extraction: dict[str, list[Row]] = {}
    with TemporaryDirectory(prefix="glam-speed-") as folder, Workers(options.runs[-1] if options.cpu else 0) as workers:
        say("reading the corpus")
        corpus = read_corpus(args.datadir, Path(folder))
        for model in args.models:
            recipe = released(model)
            kind = f"{recipe.inputs} {recipe.cut}"
            if kind not in extraction:
                say(f"{model}: features")
                extraction[kind] = measure_features(recipe, corpus, options, Path(folder))
            say(f"{model}: training and evaluation")
            results[model] = measure(model, extraction[kind], corpus, rates, options, workers, Path(folder))
            print(f"\n{model_text(model, results[model])}", flush=True)
    measured = {
        "environment": environment() | {"device": options.device, "device_name": name, "cores": CORES},
        "load": {"before": load, "after": os.getloadavg()},
        "quick": args.quick,
        "corpus": {"name": corpus.root.name, "synthetic": corpus.synthetic},
        "options": asdict(options),
        "matrix_rates": rates,
        "models": {model: asdict(result) for model, result in results.items()},
    }
    output = args.output / f"speed-{device.type}"
    output.with_suffix(".json").write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")
    draw(results, output.with_suffix(".png"))
    print(f"\nwritten: {output}.json and .png")
    if not args.quick:  # whose few steps say nothing
        refuse_straw_men(results)


def refuse_straw_men(results: Mapping[str, ModelResult]) -> None:
    """GlamError where the plain loop's step is slower than it need be."""
    slow = [f"{m} {r.step_to_bare.median:.2f}" for m, r in results.items() if r.step_to_bare.median > STRAW_MAN]
    if slow:
        raise GlamError(
            f"the plain loop's step takes more than {STRAW_MAN} times a bare step on the same tensors: "
            f"{', '.join(slow)}. It is a straw man there, and the ratios are worth nothing. Is the machine busy?"
        )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="speed.py", description="How fast the engines are beside a plain loop in the manner of the release."
    )
    add = parser.add_argument
    add("--device", default="cpu", help="cpu, cuda:0 or mps (cpu)")
    add("--models", metavar="A,B", help=f"of {', '.join(RECIPES)} (all)")
    add("--rounds", type=int, metavar="N", help="rounds that count, after one that does not (5)")
    add("--seconds", type=float, metavar="S", help="of the plain loop's training and of its evaluation in a round (1)")
    add("--runs", metavar="1,2,..", help="runs at once (1, 2, 4, ... to the cores and one more; on a GPU to 256)")
    add("--batch-sizes", metavar="32,..", help="of one run, to find its fastest (none; on a GPU 32 to 4096)")
    add("-d", "--datadir", type=Path, help="corpus laid out as IEMOCAP, to extract features of (the synthetic one)")
    add("--compiled", action="store_true", help="on a GPU: packs compiled, as of long experiments (a minute more each)")
    add("--whole", type=int, default=0, metavar="EPOCHS", help="really run whole runs of so many epochs on it, too")
    add("-o", "--output", type=Path, default=Path("reports"), help="folder of speed-<device>.json and .png (reports)")
    add("--quick", action="store_true", help="only see whether it works: one model, one short round")
    args = parser.parse_args()
    args.models = args.models.split(",") if args.models else ["mhcnn"] if args.quick else list(RECIPES)
    if unknown := [model for model in args.models if model not in RECIPES]:
        raise GlamError(f"--models {', '.join(unknown)}: the models are {', '.join(RECIPES)}")
    try:
        args.output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise GlamError(f"--output {args.output}: cannot be made ({error})") from None
    return args


def _options(args: argparse.Namespace) -> Options:
    try:
        device = torch.device(args.device)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise GlamError(f"--device {args.device}: {str(error).splitlines()[0]}") from None
    cpu = device.type == "cpu"
    if cpu and args.compiled:
        raise GlamError("--compiled is of packs, which a CPU has none of: runs are processes there")
    powers = [2**n for n in range(MOST_RUNS.bit_length())]
    at_once = {*(n for n in powers if n <= CORES), CORES, CORES + 1} if cpu else powers  # one more shows saturation
    return Options(
        device=args.device,
        rounds=args.rounds or (1 if args.quick else 5),
        seconds=args.seconds or (0.1 if args.quick else 1.0),
        runs=_numbers("--runs", args.runs) or tuple(sorted(at_once)),
        batch_sizes=_numbers("--batch-sizes", args.batch_sizes) or (() if cpu else GPU_BATCHES),
        whole=args.whole,
        compiled=args.compiled,
    )


def _numbers(flag: str, text: str | None) -> tuple[int, ...]:
    try:
        numbers = sorted({int(part) for part in text.split(",")}) if text else []
    except ValueError:
        numbers = [0]
    if numbers and numbers[0] < 1:
        raise GlamError(f"{flag} {text}: expected numbers from 1 on with commas between them")
    return tuple(numbers)


if __name__ == "__main__":
    sys.exit(main())
