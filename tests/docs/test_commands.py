"""Every command of README, CONTRIBUTING and docs is understood.

A command is understood where the real parsers take it and, of what trains, recipe, settings, seeds and rows are there.
"""

import argparse
import os
import re
import runpy
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from docs.pages import COMMANDS, PROJECT, Command, commands_of

from glam.cli.main import main
from glam.cli.train import train

DEEP = ("glam train", "train.py", "glam table", "glam audit")  # whose settings are looked at, too
UNKNOWN = "it asks for something that is not there"


class Understood(Exception):
    """The command was parsed, and is not carried out."""


@pytest.fixture
def wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[Command], str]:
    """What is wrong with a command; nothing of it is carried out."""
    parse = argparse.ArgumentParser.parse_args

    def parse_only(parser: argparse.ArgumentParser, args: Any = None, namespace: Any = None) -> Any:
        parsed = parse(parser, args, namespace)
        if parser.prog not in DEEP:
            raise Understood
        return parsed

    def stop(*_: object, **__: object) -> None:
        raise Understood

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse_only)
    monkeypatch.setattr(argparse.ArgumentParser, "parse_intermixed_args", parse_only)
    for verb in ("train", "tables"):
        monkeypatch.setattr(f"glam.cli.{verb}.executing", stop)
        monkeypatch.setattr(f"glam.cli.{verb}.corpus_folder", lambda *_: tmp_path)
        monkeypatch.setattr(f"glam.cli.{verb}.take_files", lambda _: None)
    monkeypatch.setattr("glam.running.experiment.lacking_files", lambda _: [])
    monkeypatch.setattr("glam.cli.tables._indexed", stop)
    monkeypatch.setattr("glam.cli.audit.corpus_folder", stop)
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "3")
    monkeypatch.setenv("SLURM_ARRAY_TASK_COUNT", "10")
    monkeypatch.chdir(tmp_path)
    Path("my.txt").write_text("\n".join(map(str, range(100))))
    (small,) = re.findall(r"```yaml\n(.*?)```", (PROJECT / "docs" / "from-a-papers-number.md").read_text(), re.DOTALL)
    Path("small.yaml").write_text(small)
    Path("mine.yaml").write_text("extends: glam-paper\n")
    Path("my.csv").write_text("file,feeling\n")

    def what_is_wrong(command: Command) -> str:
        words = [word.replace("$HQ_TASK_ID", "3").replace("RECIPE", "glam-released") for word in command.words]
        try:
            status = carry_out(words)
        except Understood:
            return ""
        except SystemExit as end:
            status = end.code
        errors = capsys.readouterr().err.strip().splitlines() or [UNKNOWN]
        if status == 0 or (command.mention and "arguments are required" in errors[-1]):
            return ""
        return errors[-1]

    return what_is_wrong


def carry_out(words: Sequence[str]) -> Any:
    """Call what the words start, in this process: 0, Understood, or a status and a message on stderr."""
    program, *rest = words
    if program == "glam":
        return main(rest)
    if program == "pip":
        return pip(rest)
    if program.startswith(".ci/"):
        return 0 if os.access(PROJECT / program, os.X_OK) else 2
    if program != "python":  # the real script, which says what it would start
        environment = os.environ | {"GLAM_PYTHON": "/bin/echo"}
        done = subprocess.run([PROJECT / program, *rest], capture_output=True, text=True, env=environment)
        print(*done.stderr.splitlines()[:1], file=sys.stderr)
        return done.returncode or carry_out(["python", *done.stdout.split()])
    if rest[0] == "train.py":
        return train(rest[1:], prog="train.py")
    if rest[:2] == ["-m", "pytest"]:
        return 0 if all((PROJECT / word).exists() for word in rest[2:] if not word.startswith("-")) else 2
    script, *arguments = [f"{rest[1].replace('.', '/')}.py", *rest[2:]] if rest[0] == "-m" else rest
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [script, *arguments])
        patch.syspath_prepend(str(PROJECT))
        return runpy.run_path(str(PROJECT / script), run_name="__main__")


def pip(words: Sequence[str]) -> int:
    """0 where the extras and the constraints that are named exist."""
    extras = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    text = " ".join(words)
    asked = re.findall(r"\.\[([\w,]+)\]", text)
    constraints = re.findall(r"-c (\S+)", text)
    known = all(extra in extras for group in asked for extra in group.split(","))
    return 0 if words[0] == "install" and known and all((PROJECT / path).is_file() for path in constraints) else 2


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: f"{command.page}: {shlex.join(command.words)}")
def test_every_command_is_understood(command: Command, wrong: Callable[[Command], str]) -> None:
    assert wrong(command) == ""


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("    glam reprot A", "there is no verb 'reprot'"),
        ("    glam train --recpie glrf", "unrecognized arguments: --recpie"),
        ("    glam train --recipe glrff", "there is no recipe 'glrff'"),
        ("    glam train --set training.epoch=3   # a comment", "epoch"),
        ("    glam train --protocol leave-one-out", "leave-one-out"),
        ("    glam table 9 --report", "9"),
        ("    glam table 1 --rows GLAMM", "GLAMM"),
        ("    glam table 1 --shard 11/10", "11/10"),
        ("    glam audit glam-release", "there is no recipe 'glam-release'"),
        ("    glam compare A", "arguments are required"),
        ("    python train.py --alfa 0.3", "unrecognized arguments: --alfa"),
        ("    python benchmarks/speed.py --round 7 --models", "expected one argument"),
        ("    python examples/one_run.py emodb --epoch five", "invalid int value"),
        ("    ./run 0 100 0.3", "./run 0 100 0.3: expected"),
        ("    ./run test tests/edurance", UNKNOWN),
        ("    pip install -e '.[ryat]'", UNKNOWN),
        ("```bash\nsrun --nodes=1 -- \\\n    glam table 1 --clutser ray\n```", "unrecognized arguments: --clutser"),
        ("    hq submit -- bash -c 'X=1 glam table 1 --shrad 1/2'", "unrecognized arguments: --shrad"),
        ("As `glam figure confusoin A` shows", "invalid choice: 'confusoin'"),
        ("As `glam\nfigure bars A --metrik ua` shows", "unrecognized arguments: --metrik"),
    ],
)
def test_a_wrong_command_is_found(line: str, message: str, wrong: Callable[[Command], str]) -> None:
    (command,) = commands_of("page.md", line)
    assert message in wrong(command)


def test_a_quote_without_its_end_is_found() -> None:
    with pytest.raises(ValueError, match="No closing quotation"):
        list(commands_of("page.md", "    glam export A -o 'all.csv\n"))


def test_what_is_no_command_is_left_alone() -> None:
    text = "    | glam | 81 |\n    computed: cpu, glam 0.2.0\n    glam's\n\nSee `glam/cli`, `glam-ser[ray]`, `glam`.\n"
    assert list(commands_of("page.md", text)) == []
