"""Choose what cuts the granules of a source to the tile."""

from __future__ import annotations

import os
from pathlib import Path

from s1monthly.grid.lattice import tile_geobox
from s1monthly.kernels.options import RADIOMETRY
from s1monthly.model import CompositeKey
from s1monthly.sources.contract import Source
from s1monthly.stages.cutting import BurstCutter, Cutter, converting_granules
from s1monthly.workflow.job_settings import JobSettings


def cutter_of(
    settings: JobSettings, key: CompositeKey, source: Source, folder: Path, heights: str | None, threads: int
) -> Cutter:
    """Return what cuts the granules of a month to the tile.

    Parameters
    ----------
    settings : JobSettings
        Settings of the run, with the recipe as the cube has it.
    key : CompositeKey
        Tile, direction and month.
    source : Source
        Where granules come from.
    folder : Path
        Folder of the files to write.
    heights : str or None
        File of the tile's heights; None for a source whose granules are corrected for the terrain.
    threads : int
        Threads that work at once on a GRD slice.

    Raises
    ------
    ProductError
        If heights or the list of static granules cannot be read.
    """
    layers, geobox = settings.polarization.layers, tile_geobox(key.tile, settings.resolution, settings.epsg)
    recipe = settings.recipe
    if heights is None:
        statics = converting_granules(settings.layout.of(key).static_granules, recipe.get("radiometry", RADIOMETRY))
        return BurstCutter(source, layers, geobox, recipe, folder, statics)
    from s1monthly.stages.heights import read_heights  # here, as other sources need no numba
    from s1monthly.stages.slices import SliceCutter

    dem = f"{os.path.basename(settings.dem['path'])} ({Path(heights).stem.partition('_')[2]})"
    return SliceCutter(source, layers, geobox, recipe, folder, read_heights(heights, geobox), dem, threads)
