"""The identity of an experiment: the hash of its scientific settings."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

# Raised when a default of any setting, or the meaning of one, changes: old runs keep their identity.
FORMAT = 2


def canonical_json(value: Any) -> str:
    """The one way to write plain data as JSON: sorted keys, no spaces, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def identity(settings: dict[str, Any], corpus_digest: str, outside: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The data that is hashed: the scientific settings, the corpus used, the format.

    outside: hashes of whatever else decides, such as files beside the corpus, by input; left out where there are none.
    """
    own = {"format": FORMAT, "corpus_digest": corpus_digest, "settings": settings}
    return own | ({"outside": dict(outside)} if outside else {})


def digest(identity: dict[str, Any]) -> str:
    """SHA-256 (64 hex digits) of the identity."""
    return hashlib.sha256(canonical_json(identity).encode()).hexdigest()
