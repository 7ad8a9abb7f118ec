"""What a run must know of its tiles' grids. Geometry is imported only when it is needed: cluster jobs do without."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec

from s1monthly.config.root import Config
from s1monthly.model import Tile
from s1monthly.workflow import estimate

GEOMETRY = ("numpy", "pyproj", "shapely")
"""Libraries that geometry needs, and Snakemake does not."""


def tiles_of_polygon(wkt: str) -> list[Tile]:
    """Return the tiles that a polygon meets."""
    from s1monthly.grid.regions import read_region
    from s1monthly.grid.tiles import tiles_of_roi

    return tiles_of_roi(read_region(wkt))


def pixels(config: Config, tile: Tile) -> float:
    """Return the number of pixels of a tile's grid."""
    processing = config.processing
    if processing.epsg is None:
        return estimate.usual_pixels(config)
    return _pixels(tile, processing.target_resolution, processing.epsg)


@cache
def _pixels(tile: Tile, resolution: float, epsg: int) -> float:
    from s1monthly.grid.lattice import tile_geobox

    rows, columns = tile_geobox(tile, resolution, epsg).shape
    return float(rows * columns)


def check_grids(config: Config, tiles: list[Tile]) -> Iterator[str]:
    """Yield a warning for each tile that lies outside the polygon mask.

    Raises
    ------
    S1MonthlyError
        If a tile or its grid does not exist, or if no polygon can mask it.
    """
    processing = config.processing
    if processing.epsg is None and not processing.use_roi_mask and not all(map(find_spec, GEOMETRY)):
        return  # beside a Snakemake that has no such libraries, jobs check the grid of their tile
    from s1monthly.grid.lattice import tile_geobox
    from s1monthly.grid.polygon_mask import window
    from s1monthly.grid.tiles import tiles_beside

    for tile in tiles:
        geobox = tile_geobox(tile, processing.target_resolution, processing.epsg)
        if processing.use_roi_mask:
            window(geobox)
    for tile in tiles_beside(config.roi.wkt, tiles) if processing.use_roi_mask and config.roi.wkt else ():
        yield f"tile {tile} lies outside roi.wkt: with use_roi_mask all its pixels stay empty"
