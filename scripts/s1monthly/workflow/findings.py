"""What the doctor finds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """What a check found."""

    WELL = "well"
    NOTE = "note"
    """Worth knowing; a run may still succeed."""
    BAD = "BAD"
    """A run will fail."""


@dataclass(frozen=True)
class Finding:
    """Result of a check.

    Attributes
    ----------
    about : str
        What was checked.
    text : str
        What was found.
    remedy : str
        What to do; empty if nothing has to be done.
    """

    state: State
    about: str
    text: str
    remedy: str = ""

    def __str__(self) -> str:
        remedy = f"\n     -> {self.remedy}" if self.remedy else ""
        return f"{self.state:<4} {self.about}: {self.text}{remedy}"


def well(about: str, text: str) -> Finding:
    """Return a finding that needs no action."""
    return Finding(State.WELL, about, text)
