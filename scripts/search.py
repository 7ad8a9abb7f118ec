"""Rule search: ask the source which granules the months of a tile and direction have."""

import json
import logging
from datetime import UTC, datetime

import light_imports  # noqa: F401
from s1monthly.files import write_text
from s1monthly.model import Direction, Month, Tile, TileDirection
from s1monthly.records.granule_list import write_granule_list
from s1monthly.records.recipe import polygon_digest
from s1monthly.records.search_log import Answer, write_answers
from s1monthly.sources import open_source
from s1monthly.sources.polygon_area import PolygonArea
from s1monthly.workflow import jobs
from s1monthly.workflow.work_folder import claim_work


def main(argv=None):
    job, log = jobs.read_arguments(__doc__, argv, "tile", "direction", "months", "listings", "stamp")
    settings, key = job.settings, TileDirection(Tile(job.tile), Direction(job.direction))
    months, listings = [Month.parse(month) for month in job.months.split(",") if month], json.loads(job.listings)
    source = open_source(settings.source_kind, polarization=settings.polarization, **settings.source_options)
    moment = datetime.now(UTC)
    found = of_tile = source.search(key.tile, key.direction, months)
    wkt, polygon = settings.recipe["roi_mask"], polygon_digest(settings.recipe)
    if wkt:
        found = PolygonArea(key.tile, wkt, settings.resolution, settings.epsg).limit(of_tile)
    answers = {}
    for month in months:
        listed = write_granule_list(settings.layout.of(key, month).granules, found[month])
        told = listings.get(str(month), ""), settings.from_earliest
        answer = Answer.of(listed, moment, *told, polygon, of_tile[month] if polygon else None)
        answers[month] = answer
        log.info("%s: %d granules, %d passes, %d set aside", month, answer.granules, answer.passes, answer.set_aside)
        if beside := len(of_tile[month].granules) - answer.granules:
            log.info("%s: %d more granules of the tile do not meet the polygon of use_roi_mask", month, beside)
        for left_out in listed.set_aside:
            level = logging.WARNING if left_out.lost else logging.DEBUG  # the granule list has all of them
            log.log(level, "set aside: %s: %s", left_out.granule_id, left_out.reason)
    claim_work(settings.layout)
    write_answers(settings.layout.of(key).search, settings.question, answers)
    write_text(job.stamp, f"answered {moment:%Y-%m-%dT%H:%M:%SZ}\n")


if __name__ == "__main__":
    jobs.run(main)
