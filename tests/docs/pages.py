"""The pages of the project, and the commands on them."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

PROJECT = Path(__file__).resolve().parents[2]
PAGES = [
    PROJECT / "README.md",
    PROJECT / "CONTRIBUTING.md",
    *sorted((PROJECT / "docs").glob("*.md")),
    *sorted((PROJECT / ".github").rglob("*.md")),
]
PROGRAMS = ("glam", "python", "./run", "pip")
LAUNCHERS = ("srun", "hq")  # they start one of the programs, further on in their line
ELSEWHERE = {
    "adding.md": "tests/docs/test_adding.py runs it all",
    "use.py": "is in an exported folder, where tests/prediction/test_exported.py runs it",
}


class Command(NamedTuple):
    """A command of a page. mention: it stands in a sentence, and may leave out what it is about."""

    page: str
    words: tuple[str, ...]
    mention: bool = False


def words_of(line: str) -> list[str]:
    """The words of a shell's line from the program on; none where it starts none of ours."""
    try:
        words = shlex.split(line, comments=True)
    except ValueError:  # a quote without its end
        if line.split()[0] in PROGRAMS:
            raise
        return []  # a line of output
    while words and re.match(r"\w+=", words[0]):
        del words[0]
    if words and words[0] in LAUNCHERS:
        for i, word in enumerate(words):
            if word in PROGRAMS:
                return words[i:]
            if re.search(r"\bglam ", word):  # bash -c '...'
                return words_of(word)
    if not words or not (words[0] in PROGRAMS or words[0].startswith(("scripts/", ".ci/"))):
        return []
    return words


def commands_of(name: str, text: str) -> Iterator[Command]:
    """The commands in the code of a page, indented or fenced, and in its sentences."""
    fenced = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
    blocks = [code for language, code in fenced.findall(text) if language in ("", "bash")]
    rest = fenced.sub("", text)
    blocks += [line[4:] for line in rest.splitlines() if line.startswith("    ")]
    for line in "\n".join(blocks).replace("\\\n", " ").splitlines():
        for part in line.split(" && "):
            if words := words_of(part):
                yield Command(name, tuple(words))
    prose = "\n".join(line for line in rest.splitlines() if not line.startswith("    "))
    for span in re.findall(r"`([^`]+)`", prose):
        for part in " ".join(span.split()).split(" && "):
            if " " in part and (words := words_of(part)):
                yield Command(name, tuple(words), mention=True)


COMMANDS = [
    command
    for page in PAGES
    for command in commands_of(page.name, page.read_text(encoding="utf-8"))
    if (command.mention or page.name not in ELSEWHERE) and not set(command.words) & set(ELSEWHERE)
]
