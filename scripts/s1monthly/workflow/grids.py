"""What a run must know of its tiles' grids. Geometry is imported only when it is needed: cluster jobs do without."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec

from s1monthly.config.root import Config
from s1monthly.model import Direction, Stack, Tile
from s1monthly.workflow import estimate

MOST_HINTED = 300
"""Tiles up to which a preview also looks for the fewest that would do; more take seconds."""

GEOMETRY = ("numpy", "pyproj", "shapely")
"""Libraries that geometry needs, and Snakemake does not."""


def tiles_of_polygon(wkt: str, cover: str = "all") -> list[Tile]:
    """Return the tiles that a polygon meets, or with ``cover`` "fewest" the fewest of these that cover it."""
    from s1monthly.grid.regions import read_region
    from s1monthly.grid.tiles import tiles_of_roi

    tiles = tiles_of_roi(read_region(wkt))
    if cover == "fewest":
        from s1monthly.grid.tile_cover import fewest_tiles

        return fewest_tiles(read_region(wkt), tiles)
    return tiles


@cache
def tracks_over(tile: Tile, direction: Direction) -> list[int]:
    """Return the tracks that may see a tile in a direction, by the orbit model and with a margin for its errors."""
    from s1monthly.grid.orbit import bursts_over
    from s1monthly.grid.tiles import tile_outline
    from s1monthly.sources.asf.footprints import MODEL_MARGIN

    return sorted({burst.track for burst in bursts_over(tile_outline(tile), direction, MODEL_MARGIN)})


def stacks_over(config: Config, tile: Tile) -> list[Stack]:
    """Return what has a cube of its own over a tile: each direction or, with processing.by_track, each track of it.

    Tracks follow from the orbit model, so they are known before the source is asked.
    """
    if not config.processing.by_track:
        return [Stack.parse(direction) for direction in config.roi.flight_direction]
    wanted = config.roi.tracks
    return [
        Stack.of(direction, track)
        for direction in config.roi.flight_direction
        for track in tracks_over(tile, Direction(direction))
        if wanted is None or track in wanted
    ]


def fewer_tiles(config: Config, tiles: list[Tile]) -> str:
    """Say how many tiles would cover the polygon, if fewer than these do; empty otherwise."""
    roi = config.roi
    if roi.manual_mgrs_tiles or roi.polygon is None or roi.cover == "fewest" or len(tiles) > MOST_HINTED:
        return ""
    fewest = tiles_of_polygon(roi.polygon, "fewest")
    if len(fewest) == len(tiles):
        return ""
    names = ", ".join(map(str, fewest[:5])) + (" ..." if len(fewest) > 5 else "")
    return f"roi: the polygon meets {len(tiles)} tiles, and {len(fewest)} would cover it ({names}): roi.cover: fewest"


def pixels(config: Config, tile: Tile) -> float:
    """Return the number of pixels of a tile's grid."""
    processing = config.processing
    if processing.epsg is None:
        return estimate.usual_pixels(config)
    return _pixels(tile, processing.target_resolution, processing.epsg)


def limits(config: Config, tile: Tile) -> tuple[float, float]:
    """Return the shares of a tile's granules and pixels that the polygon of use_roi_mask leaves, 0 to 1 each."""
    wkt = config.roi.polygon if config.processing.use_roi_mask else None
    if wkt is None:
        return 1.0, 1.0
    from s1monthly.sources.polygon_area import PolygonArea

    area = PolygonArea(tile, wkt, config.processing.target_resolution, config.processing.epsg)
    return area.share_of_granules, area.share_of_pixels


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
    for tile in tiles_beside(config.roi.polygon, tiles) if processing.use_roi_mask and config.roi.polygon else ():
        yield f"tile {tile} lies outside the polygon of roi: with use_roi_mask it has no granules"
