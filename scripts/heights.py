"""Rule heights: heights above the ellipsoid on the tile's grid and around it, for GRD products."""

import light_imports  # noqa: F401
from s1monthly.grid.lattice import tile_geobox
from s1monthly.model import Tile
from s1monthly.stages.heights import make_heights
from s1monthly.workflow import jobs


def main(argv=None):
    job, log = jobs.read_arguments(__doc__, argv, "tile", "heights")
    settings = job.settings
    box = tile_geobox(Tile(job.tile), settings.resolution, settings.epsg)
    heights = make_heights(settings.dem, box, job.heights)
    lowest, highest = heights.heights.min(), heights.heights.max()
    log.info("heights %.0f to %.0f m, margin of %d pixels", lowest, highest, heights.margin)


if __name__ == "__main__":
    jobs.run(main)
