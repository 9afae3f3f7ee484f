"""What stands in the place of a figure that cannot be computed: the one way in which this room says so.

Input that no caller should give (shapes that differ, scores that are not finite) raises ValueError instead.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Unknown:
    """A figure that these data do not give, and why. reason: a clause that can follow `because`."""

    reason: str

    def __str__(self) -> str:
        return f"cannot be computed, because {self.reason}"
