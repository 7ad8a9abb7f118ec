"""Rule search: ask the source which granules the months of a tile and direction have."""

import logging
from datetime import UTC, datetime
from pathlib import Path

from s1monthly import logs
from s1monthly.granule_list import write_granule_list
from s1monthly.job_settings import JobSettings
from s1monthly.ledger import Answer, write_answers
from s1monthly.sources import open_source
from s1monthly.vocabulary import Direction, Month, Tile
from s1monthly.work_folder import claim_work


def main(snakemake):
    job = JobSettings.of(snakemake.config)
    log = logs.start(snakemake.log[0], **job.logging)
    layout, place = job.layout, dict(snakemake.wildcards.items())
    months = [Month.parse(month) for month in snakemake.params.months]
    source = open_source(job.source_kind, polarization=job.polarization, **job.source_options)
    asked = datetime.now(UTC)
    found = source.search(Tile(place["tile"]), Direction(place["direction"]), months)
    answers = {}
    for month in months:
        path = layout.granules.format(**place, month=month)
        listed = write_granule_list(path, found[month].granules, found[month].set_aside)
        listing = snakemake.params.listings.get(str(month), "")
        answer = Answer.of(listed, asked, listing, from_earliest=job.from_earliest)
        answers[month] = answer
        log.info("%s: %d granules, %d passes, %d set aside", month, answer.granules, answer.passes, answer.set_aside)
        for left_out in listed.set_aside:
            level = logging.WARNING if left_out.lost else logging.DEBUG  # the granule list tells them all
            log.log(level, "set aside: %s: %s", left_out.granule_id, left_out.reason)
    claim_work(layout)
    write_answers(layout.search.format(**place), job.question, answers)
    Path(snakemake.output.stamp).write_text(f"answered {asked:%Y-%m-%dT%H:%M:%SZ}\n")


if "snakemake" in globals():
    main(snakemake)
