"""What tests ask of a result that may be Unknown."""

from typing import TypeVar

from glam.evaluation.unknown import Unknown

T = TypeVar("T")


def known(result: T | Unknown) -> T:
    assert not isinstance(result, Unknown), result
    return result


def reason(result: object) -> str:
    assert isinstance(result, Unknown), result
    return result.reason
