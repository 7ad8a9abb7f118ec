"""Make the static layers of a track: the store, and from it COGs and Item."""

from __future__ import annotations

import logging
from pathlib import Path

from s1monthly.catalog.assets import asset_file
from s1monthly.catalog.document import write_document
from s1monthly.catalog.static_item import static_item
from s1monthly.cube.static import StaticOrigin, read_origins
from s1monthly.errors import ProductError
from s1monthly.granule_names import STATIC_LAYERS
from s1monthly.grid.lattice import tile_geobox
from s1monthly.model import TileDirection
from s1monthly.records.search_log import read_static_answer
from s1monthly.records.static_list import read_static_list, read_static_slice
from s1monthly.sources import open_source
from s1monthly.stages.static import write_group, write_layers, write_static_cogs
from s1monthly.workflow.job_settings import JobSettings

LOGGER = logging.getLogger("s1monthly")


def make_static(
    settings: JobSettings,
    key: TileDirection,
    track: int,
    made_of: str,
    item: str | Path,
    block_size: int,
    threads: int = 1,
    heights: str | None = None,
) -> None:
    """Make the static layers of a track. The store is made only if it was made of other granules than wanted.

    Parameters
    ----------
    settings : JobSettings
        Settings of the run.
    key : TileDirection
        Tile and direction.
    track : int
        Track, such as 137.
    made_of : str
        Digest of the static granules wanted, see `StaticOrigin`.
    item : path
        STAC Item to write, last of all.
    block_size : int
        Block of the COGs in pixels.
    threads : int
        Number of threads that compress or, with heights, compute.
    heights : str, optional
        File of the tile's heights, if static layers are computed from a GRD product.

    Raises
    ------
    SourceError
        If a static granule is missing, damaged or on another grid than its burst.
    CubeError, ProductError
        If a product cannot be read or written.
    """
    place = settings.layout.of(key)
    geobox, store = tile_geobox(key.tile, settings.resolution, settings.epsg), place.static_store
    chunks = settings.chunks[0], settings.chunks[1]
    origin = read_origins(store).get(track)
    if origin is None or origin.made_of != made_of:
        answer = read_static_answer(place.search, settings.question)
        if answer is None:
            raise ProductError(f"search log {place.search}: no answer about static granules", "run Snakemake again")
        found = answer.tracks[track]
        about = str(key.tile), str(key.direction), track
        if heights is None:
            granules = read_static_list(place.static_granules, found)
            names = tuple(granule.id for granule in granules)
            origin = StaticOrigin(*about, names, made_of, found.without, settings.source_kind == "simulated")
            for burst in found.without:
                LOGGER.warning("%s: the source has no static granule of burst %s", origin.name, burst)
            source = open_source(settings.source_kind, polarization=settings.polarization, **settings.source_options)
            write_group(store, origin, geobox, chunks, granules, source.prepared, settings.held_granules)
        else:
            from s1monthly.stages.slices import static_of_slice  # here, as other sources need no numba

            one = read_static_slice(place.static_granules, found)
            origin = StaticOrigin(*about, (one.id,), made_of)
            layers = static_of_slice(one, geobox, heights, settings.recipe["grd"]["tropospheric_delay"], threads)
            write_layers(store, origin, geobox, chunks, layers)
    files, folder = place.static_files(track), Path(item).parent
    seen = write_static_cogs(store, origin, geobox, files, block_size, settings.cog_compression, threads)
    cogs = {layer: asset_file(files[layer], folder) for layer in STATIC_LAYERS}
    write_document(item, static_item(origin, geobox, seen, cogs, asset_file(store, folder)))
    LOGGER.info(
        "%s: %d granules, %d bursts without; %.1f %% of the tile",
        origin.name,
        len(origin.granules),
        len(origin.without),
        100 * seen.mean(),
    )
