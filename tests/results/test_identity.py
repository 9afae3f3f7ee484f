import json

from glam.results.identity import FORMAT, canonical_json, digest, identity


def test_identity_does_not_depend_on_the_order_of_fields() -> None:
    assert digest(identity({"a": 1, "b": 2}, "x")) == digest(identity({"b": 2, "a": 1}, "x"))
    assert digest(identity({"a": 1}, "x")) != digest(identity({"a": 1}, "y"))
    assert json.loads(canonical_json({"b": 0.1, "a": "é"})) == {"a": "é", "b": 0.1}


def test_another_format_is_another_experiment() -> None:
    now = identity({"a": 1}, "x")
    assert now["format"] == FORMAT == 2
    assert digest(now | {"format": 1}) != digest(now)
