"""Rule cube: make the store, or extend its axis, so that every month has a slot."""

from pathlib import Path

from s1monthly import logs
from s1monthly.bands import bands_of
from s1monthly.cube import CubeSpec, prepare
from s1monthly.grid import tile_geobox
from s1monthly.job_settings import JobSettings
from s1monthly.ledger import read_answers
from s1monthly.slots import Slots, adds_bands_alone
from s1monthly.vocabulary import Direction, Month, Tile


def main(snakemake):
    job = JobSettings.of(snakemake.config)
    log = logs.start(snakemake.log[0], **job.logging)
    tile, recipe, store = Tile(snakemake.wildcards.tile), job.recipe, snakemake.params.cube
    held = Slots.read(store)
    kept = held and (held.recipe == recipe or adds_bands_alone(held.recipe, recipe))
    spec = CubeSpec(
        tile=tile,
        direction=Direction(snakemake.wildcards.direction),
        geobox=tile_geobox(tile, job.resolution, job.epsg),
        bands=bands_of(recipe),
        chunks=held.chunks if held and kept else (job.chunks[0], job.chunks[1]),
        recipe=recipe,
    )
    first, last = (Month.parse(month) for month in snakemake.wildcards.slots.split("_")[:2])
    log.info("axis: %s to %s", *prepare(store, spec, first, last, job.overwrite, covered(job, snakemake)))
    stamp = Path(snakemake.output.stamp)
    for older in set(stamp.parent.glob("slots_*")) - {stamp}:
        older.unlink()
    stamp.touch()  # always empty: equal cubes have equal bytes; what must be made again is known from the slots


def covered(job, snakemake):
    """Months that this run writes. Not a param: Snakemake would run the rule again for every other time range."""
    _, answers = read_answers(job.layout.search.format(**snakemake.wildcards))
    return [month for month in job.asked_months if month in answers and answers[month].granules]


if "snakemake" in globals():
    main(snakemake)
