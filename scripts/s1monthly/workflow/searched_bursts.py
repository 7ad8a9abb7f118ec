"""The bursts over a tile in all months that were searched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress

from s1monthly.errors import ProductError
from s1monthly.granules import Burst, BurstGranule, Granule, Slice
from s1monthly.layout import Layout
from s1monthly.model import Month, TileDirection
from s1monthly.records.granule_list import read_granule_list
from s1monthly.records.month import read_record
from s1monthly.records.search_log import Answer


def bursts_of(layout: Layout, key: TileDirection, answers: Mapping[Month, Answer]) -> dict[Burst, str]:
    """Return the bursts of the granules of all months that were searched, with their footprint, empty if unknown.

    They are those of the months' granule lists; where the work folder was deleted, those of their records. A month with
    neither is not made, so it is searched again before it is.

    Parameters
    ----------
    answers : mapping
        The source's answer for each month.
    """
    bursts: dict[Burst, str] = {}
    for granule in _granules(layout, key, answers):
        if isinstance(granule, BurstGranule):
            bursts[granule.burst] = granule.footprint or bursts.get(granule.burst, "")
    return bursts


def slices_of(layout: Layout, key: TileDirection, answers: Mapping[Month, Answer]) -> list[Slice]:
    """Return the GRD slices of all months that were searched, as `bursts_of` finds bursts; the earliest first."""
    slices = [granule for granule in _granules(layout, key, answers) if isinstance(granule, Slice)]
    return sorted(slices, key=lambda one: (one.acquired, one.id))


def _granules(layout: Layout, key: TileDirection, answers: Mapping[Month, Answer]) -> Iterator[Granule]:
    for month in (month for month, answer in answers.items() if answer.granules):
        paths = layout.of(key, month)
        try:
            granules = read_granule_list(paths.granules).granules
        except ProductError:
            granules = ()
            with suppress(ProductError):
                granules = read_record(paths.record).granules or ()
        yield from granules
