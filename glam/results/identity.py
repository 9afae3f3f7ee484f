"""The identity of an experiment: the hash of its scientific settings."""

import hashlib
import json
from typing import Any

# Raised when a default of any setting, or the meaning of one, changes: old runs keep their identity.
FORMAT = 2


def canonical_json(value: Any) -> str:
    """The one way to write plain data as JSON: sorted keys, no spaces, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def identity(settings: dict[str, Any], corpus_digest: str) -> dict[str, Any]:
    """The data that is hashed: the scientific settings, the corpus used, the format."""
    return {"format": FORMAT, "corpus_digest": corpus_digest, "settings": settings}


def digest(identity: dict[str, Any]) -> str:
    """SHA-256 (64 hex digits) of the identity."""
    return hashlib.sha256(canonical_json(identity).encode()).hexdigest()
