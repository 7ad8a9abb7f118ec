"""The polygon of a tile in a CMR query, and the footprints that CMR's records declare."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import MultiPolygon, Polygon

from s1monthly.granules import Burst
from s1monthly.grid.orbit import footprint as burst_footprint
from s1monthly.grid.outlines import LONLAT, SEGMENT, transformer
from s1monthly.grid.regions import polygons_of, split_at_antimeridian
from s1monthly.grid.tiles import tile_origin
from s1monthly.model import TILE_SIDE, Tile

Floats = NDArray[np.float64]

QUERY_MARGIN = 8_000.0
"""Metres by which a tile is grown for a CMR query.

The margin covers everything by which CMR's search outline differs from the tile: asf_search simplifies outlines by up
to 0.0004 degrees, CMR treats edges as great circles (20 m together, over 2,353 tiles of all latitudes), and footprints
may be off by `FOOTPRINT_MARGIN`.
"""

FOOTPRINT_MARGIN = 3_000.0
"""Metres from the tile within which a footprint counts as meeting it.

CMR's footprints have four to six corners and edges of up to 90 km, but a burst's true edge is curved, and in mountains
it shifts by more than the height of the ground: in the Andes (tile 19HBD) the edges of neighbouring bursts jump by up
to 2.4 km. A granule listed in vain costs a download of 14 MB; one left out is lost. All 443 granules that CMR finds for
tile 22WFD are within this margin, five of them 2 km off the tile.
"""

MODEL_MARGIN = 10_000.0
"""The same for a burst's place from the orbit model: off by up to 5 km, plus about the height of the ground."""

LARGEST_FOOTPRINT = 300_000.0
"""Largest distance in metres from a footprint's first corner to the others; a burst measures 90 km by 21 km.

Larger ones are wrong: CMR has records of bursts on the Greenwich meridian that were split as if they lay on the
antimeridian; they circle the globe and leave out the burst itself (OPERA_L2_RTC-S1-STATIC_T161-344054-IW2).
"""

_EARTH_RADIUS = 6_371_000.0


def query_outline(tile: Tile) -> Polygon:
    """Return the outline of a tile, grown by `QUERY_MARGIN`, for a search.

    Returns
    -------
    Polygon
        Longitude and latitude in degrees, densified, counter-clockwise. Longitudes continue beyond 180 or -180:
        asf_search wraps them, but joins two polygons on either side into one that spans the globe.

    Raises
    ------
    GridError
        If there is no such tile.
    """
    ring = _square(tile).buffer(QUERY_MARGIN, join_style="mitre").exterior
    x, y = shapely.get_coordinates(shapely.segmentize(ring, SEGMENT)).T
    longitude, latitude = transformer(tile.epsg, LONLAT).transform(x, y)
    return shapely.orient_polygons(Polygon(_running_on(np.column_stack([longitude, latitude]))))


@lru_cache(maxsize=4)
def _square(tile: Tile) -> Polygon:
    """Return a tile's square in metres of its CRS."""
    left, top = tile_origin(tile)
    return shapely.box(left, top - TILE_SIDE, left + TILE_SIDE, top)


@dataclass(frozen=True)
class Footprint:
    """A granule's outline.

    Attributes
    ----------
    rings : tuple of (n, 2) float64 array
        Closed rings of longitude and latitude in degrees.
    margin : float
        Metres by which the true outline may be off.
    """

    rings: tuple[Floats, ...]
    margin: float = FOOTPRINT_MARGIN

    @classmethod
    def declared(cls, umm: Mapping[str, Any]) -> Footprint | None:
        """Return the outline that a record declares, with all its polygons.

        Parameters
        ----------
        umm : mapping
            Record in UMM-G form.

        Returns
        -------
        Footprint or None
            None if the record has no polygon, an unreadable one, or one that cannot be a burst's.
        """
        try:
            polygons = umm["SpatialExtent"]["HorizontalSpatialDomain"]["Geometry"]["GPolygons"]
            rings = tuple(_ring(polygon["Boundary"]["Points"]) for polygon in polygons)
        except (KeyError, TypeError, ValueError):
            return None
        footprint = cls(rings)
        return footprint if rings and footprint._is_a_bursts() else None

    @classmethod
    def modelled(cls, burst: Burst) -> Footprint:
        """Return the place of a burst from the orbit model (`s1monthly.grid.orbit`)."""
        parts = shapely.get_parts(burst_footprint(burst))
        return cls(tuple(shapely.get_coordinates(part.exterior) for part in parts), MODEL_MARGIN)

    def _is_a_bursts(self) -> bool:
        points = np.concatenate([_sphere(ring) for ring in self.rings])
        reach = float(np.linalg.norm(points - points[0], axis=1).max()) * _EARTH_RADIUS
        return reach <= LARGEST_FOOTPRINT and all(part.area > 0 for part in self._parts())

    def _parts(self) -> list[Polygon]:
        """Return polygons with continuous longitudes, without a jump at the antimeridian."""
        return [Polygon(_running_on(ring)) for ring in self.rings]

    @property
    def wkt(self) -> str:
        """The outline as WKT: longitudes in [-180, 180], split at the antimeridian, 6 decimals (0.1 m)."""
        pieces = [
            piece
            for part in self._parts()
            for valid in polygons_of(shapely.make_valid(part))
            for piece in split_at_antimeridian(valid)
        ]
        whole = shapely.orient_polygons(pieces[0] if len(pieces) == 1 else MultiPolygon(pieces))
        return str(shapely.to_wkt(whole, rounding_precision=6))

    def meets(self, tile: Tile) -> bool:
        """Return True if the footprint comes within its margin of a tile.

        The test runs in the plane of the tile's UTM zone. CMR's edges are great circles; over 90 km these differ from
        straight lines there by less than 15 m.
        """
        to_tile = transformer(LONLAT, tile.epsg)
        for ring in self.rings:
            xy = np.column_stack(to_tile.transform(*ring.T))
            # points that the zone cannot project are half the globe away
            if np.isfinite(xy).all() and shapely.dwithin(_square(tile), shapely.make_valid(Polygon(xy)), self.margin):
                return True
        return False


def _ring(points: list[Mapping[str, float]]) -> Floats:
    """Return the closed ring of a boundary; raise ValueError if it is not a ring."""
    ring = np.array([(float(point["Longitude"]), float(point["Latitude"])) for point in points]).reshape(-1, 2)
    if not ((np.abs(ring) <= (360, 90)).all() and len(ring) > 2):
        raise ValueError("no ring")
    if (ring[0] != ring[-1]).any():
        ring = np.vstack([ring, ring[:1]])
    return ring


def _running_on(ring: Floats) -> Floats:
    """Bring longitudes within 180 degrees of the first, so that a ring continues beyond 180 instead of jumping to -180.

    It adds whole turns, so that the first and last corner stay equal (`numpy.unwrap` separates them by a rounding
    error).
    """
    turns = np.round((ring[:, 0] - ring[0, 0]) / 360)
    return ring - np.column_stack([360 * turns, np.zeros(len(ring))])


def _sphere(lonlat: Floats) -> Floats:
    """Return unit vectors, (n, 3)."""
    longitude, latitude = np.radians(lonlat).T
    across = np.cos(latitude)
    return np.column_stack([across * np.cos(longitude), across * np.sin(longitude), np.sin(latitude)])
