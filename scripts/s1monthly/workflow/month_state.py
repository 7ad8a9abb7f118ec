"""The state of a month: what is there of it, and which step of the workflow it needs next."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from s1monthly.layout import is_cog, is_derived
from s1monthly.model import Month
from s1monthly.records.seal import RecordSummary
from s1monthly.records.search_log import Answer, set_aside_of


class Step(StrEnum):
    """What a month needs next, in the order of the workflow."""

    SEARCH = "search"
    """Ask the source: it was never asked, or its answer no longer counts."""

    NO_DATA = "no data"
    """Nothing can be made: the source has no granule that can be used."""

    READ = "read"
    """Read the granules."""

    COMPOSE = "compose"
    """Compose the granules, which are read."""

    PUBLISH = "publish"
    """Make COG, preview or Item from the cube."""

    COMPLETE = "complete"
    """Nothing is left to do."""


@dataclass(frozen=True)
class MonthState:
    """What there is of a month, and what it needs next.

    Attributes
    ----------
    answer : Answer or None
        The source's answer, if it counts.
    record : RecordSummary or None
        What the record says; None if there is none, or if it is damaged or was altered.
    has_record : bool
        True if there is a file, whatever it says.
    in_cube : bool
        True if the cube holds the month complete, in this recipe.
    stale_bursts : bool
        True if an earlier run left bursts of other granules or another recipe in the work folder.
    unusable : bool
        True if the source has granules, and none can be used.
    settling : bool
        True if late granules may still come, or some granules were lost: the source is asked again.
    source_lost : bool
        True if the source no longer has a granule that can be used. A month that was made stays as it is.
    lacking : tuple of str
        Names of the products that do not exist, of a month that is made.
    outdated : bool
        True if a product is older than the record, or was changed since a run noted it.
    finished : bool
        True if a run noted the month as finished, and no file has changed since.
    reasons : tuple of str
        Why a month that has a record must be made again, or why it cannot be made again.
    """

    month: Month
    step: Step
    answer: Answer | None = None
    record: RecordSummary | None = None
    has_record: bool = False
    in_cube: bool = False
    stale_bursts: bool = False
    settling: bool = False
    source_lost: bool = False
    unusable: bool = False
    lacking: tuple[str, ...] = ()
    outdated: bool = False
    finished: bool = False
    reasons: tuple[str, ...] = ()

    @property
    def is_made(self) -> bool:
        """True if record and cube are up to date."""
        return self.step in (Step.PUBLISH, Step.COMPLETE)

    @property
    def is_final(self) -> bool:
        """True if the month is made and can no longer be made again, since its granules are gone."""
        return self.is_made and self.source_lost

    @property
    def to_make(self) -> bool:
        """True if record and cube must be made, for the first time or again."""
        return self.step in (Step.READ, Step.COMPOSE)

    @property
    def to_make_again(self) -> bool:
        """True if the month was made and must be made again."""
        return self.to_make and self.has_record

    @property
    def granules_digest(self) -> str | None:
        """Digest of the granules that the source has now."""
        return self.answer.digest if self.answer else None

    @property
    def made_of(self) -> str:
        """Digest of the granules that decides the products; "kept" for a month that can no longer be made."""
        return "kept" if self.source_lost or self.answer is None else self.answer.digest


def why_source_lost(answer: Answer | None) -> str:
    """Say why nothing can be made again, and of the granules set aside, why."""
    aside = set_aside_of([answer]) if answer else ""
    why = "its granules can no longer be used" if answer and answer.lost else "the source no longer has its granules"
    return f"{why} ({aside})" if aside else why


def product_name(kind: str) -> str:
    """Return the name of a product, as in `Layout.product`, for messages."""
    if is_derived(kind):
        return f"{kind.partition('-')[0]} COG"
    return "COG" if is_cog(kind) else {"item": "Item", "ceos_ard": "assessment by CEOS-ARD"}.get(kind, kind)


def plural(product: str) -> str:
    """Return the plural of a product's name: ``COGs``, ``assessments by CEOS-ARD``."""
    noun, by, maker = product.partition(" by ")
    return f"{noun}s{by}{maker}"
