"""Pixels of a grid in and out of a polygon, against the place of each pixel's centre."""

from __future__ import annotations

import numpy as np
import shapely
from pyproj import Transformer

from s1monthly.grid import GeoBox
from s1monthly.polygon_mask import outside_polygon
from s1monthly.versions import ALGORITHMS

WKT = (
    "POLYGON((-120.9995 35.9975, -120.9965 35.9995, -120.9965 35.9965, -120.9995 35.9975),"
    " (-120.998 35.9977, -120.9974 35.9977, -120.9974 35.9983, -120.998 35.9983, -120.998 35.9977))"
)
BOX = GeoBox(32610, 30.0, 680280.0, 3985770.0, 12, 13)

GOLDEN = {
    1: """
        ............
        .........#..
        ........##..
        .......###..
        ......####..
        ....##..##..
        ...###..##..
        ..########..
        ..########..
        ....######..
        .......###..
        ............
        ............
    """
}
"""Pixels inside `WKT` (#), by algorithm version."""


def picture(outside: np.ndarray) -> list[str]:
    return ["".join(".#"[int(inside)] for inside in row) for row in ~outside]


def test_golden_values() -> None:
    assert picture(outside_polygon(BOX, WKT)) == GOLDEN[ALGORITHMS["polygon_mask"]].split()


def test_a_pixel_is_inside_where_its_centre_is() -> None:
    rows, columns = np.mgrid[: BOX.height, : BOX.width] + 0.5
    to_lonlat = Transformer.from_crs(BOX.epsg, 4326, always_xy=True)
    lon, lat = to_lonlat.transform(BOX.left + 30 * columns, BOX.top - 30 * rows)
    np.testing.assert_array_equal(outside_polygon(BOX, WKT), ~shapely.contains_xy(shapely.from_wkt(WKT), lon, lat))
