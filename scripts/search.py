"""Rule search: ask the source which granules the months of a tile and direction have."""

import json
import logging
from dataclasses import replace
from datetime import UTC, datetime

import light_imports  # noqa: F401
from s1monthly.files import write_text
from s1monthly.model import Month, Stack, Tile, TileDirection
from s1monthly.records.granule_list import write_granule_list
from s1monthly.records.recipe import polygon_digest
from s1monthly.records.search_log import Answer, read_answers, write_answers
from s1monthly.records.static_list import StaticAnswer, write_static_list
from s1monthly.sources import open_source
from s1monthly.sources.polygon_area import PolygonArea
from s1monthly.sources.selection import of_track
from s1monthly.workflow import jobs
from s1monthly.workflow.searched_bursts import bursts_of
from s1monthly.workflow.work_folder import claim_work


def main(argv=None):
    required = ("tile", "direction", "months", "listings", "stamp")
    job, log = jobs.read_arguments(__doc__, argv, *required, optional=("tracks",))
    settings, tile, direction = job.settings, Tile(job.tile), Stack.parse(job.direction)
    months, listings = [Month.parse(month) for month in job.months.split(",") if month], json.loads(job.listings)
    source = open_source(settings.source_kind, polarization=settings.polarization, **settings.source_options)
    moment = datetime.now(UTC)
    found = of_tile = source.search(tile, direction, months) if months else {}
    wkt, polygon = settings.recipe["roi_mask"], polygon_digest(settings.recipe)
    area = PolygonArea(tile, wkt, settings.resolution, settings.epsg) if wkt else None
    if area:
        found = area.limit(of_tile)
    claim_work(settings.layout)
    tracks = [int(track) for track in (job.tracks or "").split(",") if track]
    for track in tracks or [None]:
        key = TileDirection(tile, Stack.of(direction, track))
        answers = {}
        for month in months:
            mine, all_mine = (of_track(all_[month], track, tracks) for all_ in (found, of_tile))
            listed = write_granule_list(settings.layout.of(key, month).granules, mine)
            told = listings.get(str(month), ""), settings.from_earliest
            answers[month] = Answer.of(listed, moment, *told, polygon, all_mine if polygon else None)
            report(log, f"{month}" if track is None else f"track {track}, {month}", answers[month], listed, all_mine)
        static = None
        if settings.statics:
            question, earlier = read_answers(settings.layout.of(key).search)
            places = bursts_of(settings.layout, key, (earlier if question == settings.question else {}) | answers)
            bursts = [burst for burst in places if area is None or area.meets_burst(burst)]
            granules = {b: replace(granule, footprint=places[b]) for b, granule in source.static(bursts).items()}
            write_static_list(settings.layout.of(key).static_granules, granules)
            told = f"{moment:%Y-%m-%dT%H:%M:%SZ}", listings.get("static", ""), polygon
            static = StaticAnswer.of(bursts, granules, *told)
            log.info("static granules: %d of %d bursts have one", len(granules), len(bursts))
        write_answers(settings.layout.of(key).search, settings.question, answers, static)
    write_text(job.stamp, f"answered {moment:%Y-%m-%dT%H:%M:%SZ}\n")


def report(log, what, answer, listed, of_tile):
    """Log the answer for a month."""
    log.info("%s: %d granules, %d passes, %d set aside", what, answer.granules, answer.passes, answer.set_aside)
    if beside := len(of_tile.granules) - answer.granules:
        log.info("%s: %d more granules of the tile do not meet the polygon of use_roi_mask", what, beside)
    for left_out in listed.set_aside:
        level = logging.WARNING if left_out.lost else logging.DEBUG  # the granule list has all of them
        log.log(level, "set aside: %s: %s", left_out.granule_id, left_out.reason)


if __name__ == "__main__":
    jobs.run(main)
