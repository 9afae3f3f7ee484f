"""The base of every settings class of the package."""

from typing import Any, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, model_validator

from glam.foreign import controls_in, plain


class Settings(BaseModel):
    """A frozen group of settings; an unknown field is an error, and so is true or false in the place of a number."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _no_controls(cls, values: Any) -> Any:
        for name, value in values.items() if isinstance(values, dict) else ():
            for text in (name, value, *(value if isinstance(value, dict | list | tuple) else ())):
                if isinstance(text, str) and controls_in(text):
                    raise ValueError(f"{plain(str(name))}: {plain(text)!r} has control characters in it")
        return values

    @model_validator(mode="before")
    @classmethod
    def _true_is_no_number(cls, values: Any) -> Any:
        for name, value in values.items() if isinstance(values, dict) else ():
            kind = cls.model_fields[name].annotation if name in cls.model_fields else bool
            if isinstance(value, bool) and bool not in (kind, *get_args(kind)):
                raise ValueError(f"{name}: given {str(value).lower()}, which is no value of this field")
        return values


def by_name(default: str) -> BeforeValidator:
    """Let settings that are chosen by `name` be given as that name alone, or without a name: then of the default."""

    def spelt_out(value: Any) -> Any:
        if isinstance(value, str):
            return {"name": value}
        return {"name": default, **value} if isinstance(value, dict) else value

    return BeforeValidator(spelt_out)
