"""Rule cube: make the store, or extend its axis, so that every month has a slot."""

from pathlib import Path

import light_imports  # noqa: F401
from s1monthly.cube.axis import prepare
from s1monthly.cube.header import adds_only_bands, cached_header
from s1monthly.cube.layout import CubeSpec
from s1monthly.cube.overviews import overview_factors
from s1monthly.grid.lattice import tile_geobox
from s1monthly.kernels.bands import bands_of
from s1monthly.model import Month, Stack, Tile
from s1monthly.records.search_log import read_answers
from s1monthly.workflow import jobs


def main(argv=None):
    job, log = jobs.read_arguments(__doc__, argv, "tile", "direction", "slots", "cube", "stamp")
    settings, tile, existing = job.settings.of(job.tile, job.direction), Tile(job.tile), cached_header(job.cube)
    recipe, chunks = settings.recipe, (settings.chunks[0], settings.chunks[1])
    geobox = tile_geobox(tile, settings.resolution, settings.epsg)
    overviews = overview_factors(geobox.shape) if settings.overviews else ()
    if existing and (existing.recipe == recipe or adds_only_bands(existing.recipe, recipe)):
        chunks, overviews = existing.chunks, existing.overviews  # an existing cube stays as it was made
    spec = CubeSpec(
        tile=tile,
        direction=Stack.parse(job.direction),
        geobox=geobox,
        bands=bands_of(recipe),
        chunks=chunks,
        recipe=recipe,
        overviews=overviews,
        credits=settings.credits,
    )
    first, last = (Month.parse(month) for month in job.slots.split("_")[:2])
    log.info("axis: %s to %s", *prepare(job.cube, spec, first, last, settings.overwrite, covered(job)))
    stamp = Path(job.stamp)
    for older in set(stamp.parent.glob("slots_*")) - {stamp}:
        older.unlink()
    stamp.touch()  # always empty, so that equal cubes have equal bytes; its name says which slots there are


def covered(job):
    """Return the months that this run writes.

    They are not a param: Snakemake would run the rule again for every other time range.
    """
    _, answers = read_answers(job.settings.layout.search.format_map(vars(job)))
    return [month for month in job.settings.month_list if month in answers and answers[month].granules]


if __name__ == "__main__":
    jobs.run(main)
