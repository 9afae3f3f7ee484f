"""What is wrong with settings, so that whoever gave them can mend it."""

import re
import reprlib
from collections.abc import Iterator, Sequence
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from glam.words import did_you_mean

# What fields of version 0.1 are called now, for recipes that were written then.
CALLED_NOW = {
    "segments": "cut",
    "features": "inputs.audio",
    "augmentation": "inputs.audio, which has vtlp_copies",
    "corpus.style": "corpus.where",
    "split.protocol": "split.name",
    "training.batch_size": "training.batches.size",
    "training.momentum": "training.optimizer.momentum",
    "training.lr_factor": "training.schedule.factor",
    "training.lr_every": "training.schedule.every",
    "training.lr_min": "training.schedule.least",
    "training.normalisation": "inputs.audio.normalisation",
}


def explain(error: ValidationError, whole: type[BaseModel]) -> str:
    """What is wrong with settings of the kind `whole`: every field, what was given and what is allowed, on one line."""
    return "; ".join(_explain_one(dict(item), whole) for item in error.errors(include_url=False))


def short(value: object) -> str:
    """A value in a message: one line of bounded length, however large or nested the value is."""
    brief = reprlib.Repr()
    brief.maxlevel, brief.maxstring, brief.maxother = 3, 80, 80
    return brief.repr(value)


def _explain_one(item: dict[str, Any], whole: type[BaseModel]) -> str:
    path, kind = _where([str(part) for part in item["loc"]], whole)
    shown = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in ".".join(path))
    field = shown or "the recipe"  # on one line, whatever a damaged file calls it
    if item["type"] == "extra_forbidden":
        allowed = list(kind.model_fields) if kind is not None else []
        now = CALLED_NOW.get(field)
        hint = f" It is {now} now." if now else did_you_mean(path[-1], allowed) or _elsewhere(path, whole)
        names = _names(kind) if kind is not None else ()
        where = f"in {names[0]}" if len(names) == 1 else "here"
        return f"there is no field {field}.{hint} Allowed {where}: {', '.join(allowed)}"
    if item["type"] == "value_error":
        return f"{field}: {item['ctx']['error']}" if path else str(item["ctx"]["error"])
    if item["type"] == "union_tag_invalid":
        given, tags = str(item["ctx"]["tag"]), str(item["ctx"]["expected_tags"])
        hint = did_you_mean(given, re.findall(r"'([^']+)'", tags))
        return f"{field}: given {short(given)}, expected one of {tags}" + (f".{hint}" if hint else "")
    return f"{field}: given {short(item['input'])}; {item['msg'][0].lower()}{item['msg'][1:]}"


def _elsewhere(path: Sequence[str], whole: type[BaseModel]) -> str:
    """A question whether the field of that name in another section is meant, with a space before it; empty else."""
    named = [
        f"{section}.{path[-1]}"
        for section, info in whole.model_fields.items()
        if section != path[0] and any(path[-1] in kind.model_fields for kind in _models(info.annotation))
    ]
    return f" Did you mean {' or '.join(named)}?" if path[-1] != "name" and named else ""


def _where(location: Sequence[str], whole: type[BaseModel]) -> tuple[list[str], type[BaseModel] | None]:
    """A place in the settings, without the tags that tell kinds apart; the class that the last field of it is of."""
    path: list[str] = []
    holder: type[BaseModel] | None = None
    kinds: list[type[BaseModel]] = [whole]  # one of them holds what comes next
    keyed = False  # what comes next is a key, not a field
    for part in location:
        if named := [kind for kind in kinds if len(kinds) > 1 and part in _names(kind)]:
            kinds = named
            continue
        path.append(part)
        if keyed:
            keyed = False
            continue
        holder = kinds[0] if len(kinds) == 1 else None
        field = holder.model_fields.get(part) if holder else None
        kinds = list(_models(field.annotation)) if field else []
        keyed = field is not None and get_origin(field.annotation) is dict
    return path, holder


def _names(kind: type[BaseModel]) -> tuple[str, ...]:
    """The names by which settings of that kind are told from others."""
    return get_args(kind.model_fields["name"].annotation) if "name" in kind.model_fields else ()


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """The classes of settings in an annotation."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models(inner)
