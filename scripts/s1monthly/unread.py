"""Granules that could not be read: told of, and only as many as the configuration allows."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from s1monthly.errors import SourceError
from s1monthly.files import write_text
from s1monthly.vocabulary import CompositeKey

LOGGER = logging.getLogger("s1monthly")


@dataclass
class Unread:
    """The account of a month's granules that could not be read.

    Attributes
    ----------
    key : CompositeKey
    granules : int
        How many the month has.
    most : float
        Fraction of them that may be unread (``memory.max_failed_ratio``).
    reasons : dict
        Granule id -> why.
    """

    key: CompositeKey
    granules: int
    most: float
    reasons: dict[str, str] = field(default_factory=dict)

    @contextmanager
    def noting(self, granule_id: str) -> Iterator[None]:
        """Note the SourceError that the block raises, as the reason why this granule is not used."""
        try:
            yield
        except SourceError as error:
            LOGGER.error("%s", error)
            self.reasons[granule_id] = error.problem

    def refuse_too_many(self) -> None:
        """Fail the month where more are unread than allowed.

        Raises
        ------
        SourceError
            Naming each granule and the reason.
        """
        if self.reasons and len(self.reasons) / self.granules > self.most:
            told = "".join(f"\n  - {reason}" for _, reason in sorted(self.reasons.items()))
            raise SourceError(
                f"{self.key}: {len(self.reasons)} of {self.granules} granules cannot be read:{told}",
                "mend or remove these files and run again; or allow some to be missing by memory.max_failed_ratio",
            )

    def write(self, path: str | Path) -> None:
        """Write the reasons, for the record."""
        write_text(path, json.dumps(self.reasons, indent=1, sort_keys=True) + "\n")


def read_unread(path: str | Path) -> dict[str, str]:
    """Read what `Unread.write` wrote: granule id -> reason."""
    reasons: dict[str, str] = json.loads(Path(path).read_text(encoding="utf-8"))
    return reasons
