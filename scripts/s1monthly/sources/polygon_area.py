"""Which granules meet the polygon to which a run limits a tile (``use_roi_mask``)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cached_property

import shapely
from shapely.geometry.base import BaseGeometry

from s1monthly.granule_names import parse_granule_id
from s1monthly.granules import Burst, BurstGranule, Granule, GranuleList
from s1monthly.grid.crs import metres_a_unit
from s1monthly.grid.lattice import tile_geobox
from s1monthly.grid.orbit import footprint as burst_footprint
from s1monthly.grid.outlines import LONLAT, transformer
from s1monthly.grid.polygon_mask import part_near
from s1monthly.grid.regions import polygons_of
from s1monthly.grid.tiles import tile_outline
from s1monthly.model import Month, Tile
from s1monthly.sources.asf.footprints import FOOTPRINT_MARGIN, MODEL_MARGIN

BURST = (85_000.0, 20_000.0)
"""Sides of a burst in metres, without its overlap with the next."""

SAME_OUTLINE = 1e-4
"""Degrees (11 m) within which a footprint is the orbit model's own, written with fewer digits."""


class PolygonArea:
    """The part of a tile's grid inside a polygon.

    Parameters
    ----------
    tile : Tile
        The tile.
    wkt : str
        Polygon as for `regions.read_region`.
    resolution : float
        Pixel size in units of the grid's CRS.
    epsg : int or None
        CRS of the grid; None for the tile's own.

    Raises
    ------
    GridError
        If no polygon can mask the grid, see `polygon_mask.window`.
    """

    def __init__(self, tile: Tile, wkt: str, resolution: float, epsg: int | None) -> None:
        geobox = tile_geobox(tile, resolution, epsg)
        self._tile = tile
        self._to_metres = transformer(LONLAT, tile.epsg)
        self._part = self._flat(part_near(geobox, wkt))
        shapely.prepare(self._part)
        # a pixel takes values from beyond its edge: from a neighbour where it is warped, half of itself where coarser
        self._pixels = 2 * math.sqrt(2) * resolution * metres_a_unit(geobox.epsg)

    def _flat(self, lonlat: BaseGeometry) -> BaseGeometry:
        flat = shapely.transform(lonlat, lambda x, y: self._to_metres.transform(x, y), interleaved=False)
        return shapely.make_valid(flat)

    def _within(self, outline: BaseGeometry, metres: float) -> bool:
        return bool(shapely.dwithin(self._part, outline, metres + self._pixels))

    def meets(self, granule: Granule) -> bool:
        """Return whether a granule may hold values for the polygon, by its footprint if that is known.

        A slice without a footprint, which was set aside, may always.
        """
        burst = granule.burst if isinstance(granule, BurstGranule) else None
        if not granule.footprint:
            return burst is None or self.meets_burst(burst)
        outline = shapely.from_wkt(granule.footprint)
        if self._within(self._flat(outline), FOOTPRINT_MARGIN):
            return True
        if burst is None:
            return False
        modelled = shapely.hausdorff_distance(outline, burst_footprint(burst)) < SAME_OUTLINE
        return modelled and self.meets_burst(burst)

    def meets_burst(self, burst: Burst) -> bool:
        """Return whether a burst may hold values for the polygon, by the orbit model."""
        return self._within(self._flat(burst_footprint(burst)), MODEL_MARGIN)

    def limit(self, found: Mapping[Month, GranuleList]) -> dict[Month, GranuleList]:
        """Return the granules, used and set aside, that may hold values for the polygon."""
        return {
            month: GranuleList(
                tuple(granule for granule in listed.granules if self.meets(granule)),
                tuple(aside for aside in listed.set_aside if self.meets(parse_granule_id(aside.granule_id))),
            )
            for month, listed in found.items()
        }

    @property
    def share_of_pixels(self) -> float:
        """Return the share of the tile's area inside the polygon, 0 to 1."""
        return float(self._on_tile.area / self._square.area)

    @property
    def share_of_granules(self) -> float:
        """Return about which share of the tile's granules meets the polygon, 0 to 1."""
        near = self._on_tile.buffer(FOOTPRINT_MARGIN)
        of_parts = sum(map(_bursts_meeting, polygons_of(near)))
        return min(1.0, min(of_parts, _bursts_meeting(near.convex_hull)) / _bursts_meeting(self._square))

    @cached_property
    def _square(self) -> BaseGeometry:
        return self._flat(tile_outline(self._tile))

    @cached_property
    def _on_tile(self) -> BaseGeometry:
        return self._square.intersection(self._part)


def _bursts_meeting(area: BaseGeometry) -> float:
    """Return how many bursts of one pass meet a convex area, on average over all places and directions of flight.

    That is the mean area of the sum of two convex sets, divided by the area of a burst (Santalo, Integral Geometry and
    Geometric Probability, 1976, I.6).
    """
    if area.is_empty:
        return 0.0
    width, height = BURST
    return float(area.area + width * height + area.length * (width + height) / math.pi) / (width * height)
