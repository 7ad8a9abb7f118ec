"""The search stage: ask the source for the granules of a tile and direction, and keep its answers."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, cast

from s1monthly.granules import GranuleList, Slice
from s1monthly.model import Month, Stack, Tile, TileDirection
from s1monthly.records.granule_list import write_granule_list
from s1monthly.records.recipe import polygon_digest
from s1monthly.records.search_log import Answer, read_answers, read_static_answer, write_answers
from s1monthly.records.static_list import StaticAnswer, write_static_list
from s1monthly.sources import open_source
from s1monthly.sources.contract import Source
from s1monthly.sources.polygon_area import PolygonArea
from s1monthly.sources.selection import of_track
from s1monthly.workflow.job_settings import JobSettings
from s1monthly.workflow.searched_bursts import bursts_of, slices_of
from s1monthly.workflow.work_folder import claim_work

if TYPE_CHECKING:  # its libraries take longer to load than a search of another source
    from s1monthly.sources.grd.source import GrdSource

LOGGER = logging.getLogger("s1monthly")


def search_tile(
    settings: JobSettings,
    tile: Tile,
    direction: Stack,
    months: Sequence[Month],
    tracks: Sequence[int],
    listings: Mapping[str, str],
    moment: datetime,
) -> None:
    """Ask the source about months, and for static granules if they are wanted; write granule lists and search logs.

    Parameters
    ----------
    settings : JobSettings
        Settings of the run.
    tile : Tile
        Tile to search.
    direction : Stack
        Direction, or both directions.
    months : sequence of Month
        Months to ask about; none if only static granules are wanted.
    tracks : sequence of int
        Tracks with a cube of their own; empty if the passes of all tracks are pooled.
    listings : mapping of str to str
        Month, or ``static`` -> digest of what the source's folder held when the run began.
    moment : datetime
        Time of the question, UTC.

    Raises
    ------
    SourceError
        If the source does not answer, or not completely.
    ProductError
        If an answer cannot be written, or the work folder serves another output tree.
    """
    source = open_source(settings.source_kind, polarization=settings.polarization, **settings.source_options)
    found = of_tile = source.search(tile, direction, months) if months else {}
    wkt, polygon = settings.recipe["roi_mask"], polygon_digest(settings.recipe)
    area = PolygonArea(tile, wkt, settings.resolution, settings.epsg) if wkt else None
    if area:
        found = area.limit(of_tile)
    claim_work(settings.layout)
    each: Sequence[int | None] = tracks or (None,)
    for track in each:
        key = TileDirection(tile, Stack.of(direction, track))
        answers = {}
        for month in months:
            mine, all_mine = (of_track(lists[month], track, tracks) for lists in (found, of_tile))
            listed = write_granule_list(settings.layout.of(key, month).granules, mine)
            facts = listings.get(str(month), ""), settings.from_earliest
            answers[month] = Answer.of(listed, moment, *facts, polygon, all_mine if polygon else None)
            _report(f"{month}" if track is None else f"track {track}, {month}", answers[month], listed, all_mine)
        static = None
        if settings.statics:
            static = _search_static(settings, source, key, answers, area, listings.get("static", ""), moment)
        write_answers(settings.layout.of(key).search, settings.question, answers, static)


def _search_static(
    settings: JobSettings,
    source: Source,
    key: TileDirection,
    answers: Mapping[Month, Answer],
    area: PolygonArea | None,
    listing: str,
    moment: datetime,
) -> StaticAnswer:
    """Ask the source for the static granules of all bursts that were ever found, and write their list."""
    question, earlier = read_answers(settings.layout.of(key).search)
    known = (earlier if question == settings.question else {}) | dict(answers)
    about = f"{moment:%Y-%m-%dT%H:%M:%SZ}", listing, polygon_digest(settings.recipe)
    if settings.source_kind == "grd":
        slices = _static_slices(settings, cast("GrdSource", source), key, known)
        write_static_list(settings.layout.of(key).static_granules, slices)
        return StaticAnswer.of_slices(slices, *about)
    places = bursts_of(settings.layout, key, known)
    bursts = [burst for burst in places if area is None or area.meets_burst(burst)]
    granules = {burst: replace(one, footprint=places[burst]) for burst, one in source.static(bursts).items()}
    write_static_list(settings.layout.of(key).static_granules, granules.values())
    LOGGER.info("static granules: %d of %d bursts have one", len(granules), len(bursts))
    return StaticAnswer.of(bursts, granules, *about)


def _static_slices(
    settings: JobSettings, source: GrdSource, key: TileDirection, known: Mapping[Month, Answer]
) -> list[Slice]:
    """Choose the slice of each track whose geometry its static layers have: as before, else the earliest."""
    earlier = read_static_answer(settings.layout.of(key).search, settings.question)
    chosen = {name for track in earlier.tracks.values() for name in track.bursts} if earlier else set()
    found = source.static_slices(sorted(slices_of(settings.layout, key, known), key=lambda one: one.id not in chosen))
    for track, one in found.items():
        LOGGER.info("static layers of track %d: by the geometry of %s", track, one.id)
    return list(found.values())


def _report(what: str, answer: Answer, listed: GranuleList, of_tile: GranuleList) -> None:
    """Log the answer for a month."""
    LOGGER.info("%s: %d granules, %d passes, %d set aside", what, answer.granules, answer.passes, answer.set_aside)
    if beside := len(of_tile.granules) - answer.granules:
        LOGGER.info("%s: %d more granules of the tile do not meet the polygon of use_roi_mask", what, beside)
    for left_out in listed.set_aside:
        level = logging.WARNING if left_out.lost else logging.DEBUG  # the granule list has all of them
        LOGGER.log(level, "set aside: %s: %s", left_out.granule_id, left_out.reason)
