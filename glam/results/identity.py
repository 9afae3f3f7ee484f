"""What makes two runs the same experiment: the hash of their scientific settings."""

import hashlib
import json
from typing import Any

# Raised when a default of any setting, or the meaning of one, changes: old runs keep their identity.
FORMAT = 1


def canonical_json(value: Any) -> str:
    """The one way to write plain data as JSON: sorted keys, no spaces, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def identity(settings: dict[str, Any], corpus_digest: str) -> dict[str, Any]:
    """What is hashed: the scientific settings that are not at their default, the corpus used, the format."""
    return {"format": FORMAT, "corpus_digest": corpus_digest, "settings": settings}


def digest(identity: dict[str, Any]) -> str:
    """SHA-256 (64 hex digits) of the identity."""
    return hashlib.sha256(canonical_json(identity).encode()).hexdigest()
