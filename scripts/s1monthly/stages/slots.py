"""Make a cube, or extend its axis, so that every month has a slot."""

from __future__ import annotations

import logging
from pathlib import Path

from s1monthly.cube.axis import prepare
from s1monthly.cube.header import adds_only_bands, cached_header
from s1monthly.cube.layout import CubeSpec
from s1monthly.cube.overviews import overview_factors
from s1monthly.grid.lattice import tile_geobox
from s1monthly.kernels.bands import bands_of
from s1monthly.model import Month, TileDirection
from s1monthly.records.search_log import read_answers
from s1monthly.workflow.job_settings import JobSettings

LOGGER = logging.getLogger("s1monthly")


def prepare_slots(
    settings: JobSettings, key: TileDirection, first: Month, last: Month, cube: str | Path, stamp: str | Path
) -> None:
    """Make the cube of a tile and direction, or extend it; then its stamp, which replaces earlier ones.

    Parameters
    ----------
    settings : JobSettings
        Settings of the run, with the recipe as the cube spells it.
    key : TileDirection
        Tile and direction.
    first, last : Month
        Months that must have a slot, and all between.
    cube : path
        The cube.
    stamp : path
        Stamp to write: an empty file whose name says which slots there are, so that equal cubes have equal bytes.

    Raises
    ------
    CubeError
        If there is a cube with another recipe or grid that may not be replaced, or the disk reports an error.
    """
    existing, recipe = cached_header(cube), settings.recipe
    geobox, chunks = tile_geobox(key.tile, settings.resolution, settings.epsg), (settings.chunks[0], settings.chunks[1])
    overviews = overview_factors(geobox.shape) if settings.overviews else ()
    if existing and (existing.recipe == recipe or adds_only_bands(existing.recipe, recipe)):
        chunks, overviews = existing.chunks, existing.overviews  # an existing cube stays as it was made
    spec = CubeSpec(
        tile=key.tile,
        direction=key.direction,
        geobox=geobox,
        bands=bands_of(recipe),
        chunks=chunks,
        recipe=dict(recipe),
        overviews=overviews,
        credits=settings.credits,
    )
    # months of this run only; as a param, they would make Snakemake run the rule again for every other time range
    _, answers = read_answers(settings.layout.of(key).search)
    covered = [month for month in settings.month_list if month in answers and answers[month].granules]
    LOGGER.info("axis: %s to %s", *prepare(cube, spec, first, last, settings.overwrite, covered))
    stamp = Path(stamp)
    for older in set(stamp.parent.glob("slots_*")) - {stamp}:
        older.unlink()
    stamp.touch()
