"""Rule static: bring the static layers of a track onto the tile's grid: store, COGs and Item.

The store is made only if it was made of other granules; COGs and Item are always written from the store.
"""

from pathlib import Path

import light_imports  # noqa: F401
from s1monthly.catalog.assets import asset_file
from s1monthly.catalog.item import write_document
from s1monthly.catalog.static_item import static_item
from s1monthly.cube.static import StaticOrigin, read_origins
from s1monthly.granule_names import STATIC_LAYERS
from s1monthly.grid.lattice import tile_geobox
from s1monthly.model import Stack, Tile, TileDirection
from s1monthly.records.search_log import read_static_answer
from s1monthly.records.static_list import read_static_list
from s1monthly.sources import open_source
from s1monthly.stages.static import write_group, write_static_cogs
from s1monthly.workflow import jobs


def main(argv=None):
    job, log = jobs.read_arguments(__doc__, argv, "tile", "direction", "track", "made_of", "block_size", "item")
    settings, key = job.settings.of(job.tile, job.direction), TileDirection(Tile(job.tile), Stack.parse(job.direction))
    paths, track = settings.layout.of(key), int(job.track.removeprefix("T"))
    geobox, store = tile_geobox(key.tile, settings.resolution, settings.epsg), paths.static_store
    origin = read_origins(store).get(track)
    if origin is None or origin.made_of != job.made_of:
        found = read_static_answer(paths.search, settings.question).tracks[track]
        granules = read_static_list(paths.static_granules, found)
        names = tuple(granule.id for granule in granules)
        simulated = settings.source_kind == "simulated"
        origin = StaticOrigin(job.tile, job.direction, track, names, job.made_of, found.without, simulated)
        for burst in found.without:
            log.warning("%s: the source has no static granule of burst %s", origin.name, burst)
        source = open_source(settings.source_kind, polarization=settings.polarization, **settings.source_options)
        write_group(store, origin, geobox, settings.chunks, granules, source.prepared, settings.read_workers)
    options = int(job.block_size), settings.cog_compression, job.threads
    files, folder = paths.static_files(track), Path(job.item).parent
    seen = write_static_cogs(store, origin, geobox, files, *options)
    cogs = {layer: asset_file(files[layer], folder) for layer in STATIC_LAYERS}
    write_document(job.item, static_item(origin, geobox, seen, cogs, asset_file(store, folder)))
    log.info(
        "%s: %d granules, %d bursts without; %.1f %% of the tile",
        origin.name,
        len(origin.granules),
        len(origin.without),
        100 * seen.mean(),
    )


if __name__ == "__main__":
    jobs.run(main)
