"""Rule static: bring the static layers of a track onto the tile's grid: store, COGs and Item.

The store is made only if it was made of other granules; COGs and Item are always written from the store.
"""

import light_imports  # noqa: F401
from s1monthly.model import Stack, Tile, TileDirection
from s1monthly.stages.static_products import make_static
from s1monthly.workflow import jobs


def main(argv=None):
    job, _ = jobs.read_arguments(
        __doc__, argv, "tile", "direction", "track", "made_of", "block_size", "item", optional=("heights",)
    )
    settings, key = job.settings.of(job.tile, job.direction), TileDirection(Tile(job.tile), Stack.parse(job.direction))
    track, block_size = int(job.track.removeprefix("T")), int(job.block_size)
    make_static(settings, key, track, job.made_of, job.item, block_size, job.threads, job.heights or None)


if __name__ == "__main__":
    jobs.run(main)
