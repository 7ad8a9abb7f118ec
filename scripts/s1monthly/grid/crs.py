"""Coordinate reference systems by EPSG code: use for grids, and units."""

from __future__ import annotations

import math
from functools import lru_cache
from textwrap import shorten
from typing import TYPE_CHECKING

from s1monthly.errors import GridError

if TYPE_CHECKING:  # loading pyproj takes 0.1 s, so it is imported only for a CRS other than UTM
    from pyproj import CRS

METRES_PER_DEGREE = 111_320.0
"""Metres per degree of latitude, or of longitude on the equator."""

_UDUNITS = {"metre": "m", "grad": "grade", "US survey foot": "US_survey_foot", "kilometre": "km"}
"""EPSG unit names that UDUNITS spells differently; degree and foot are the same."""


@lru_cache(maxsize=256)
def crs_of(crs: int | str) -> CRS:
    """Return the CRS of an EPSG code, or of a text such as WKT or PROJJSON.

    Raises
    ------
    GridError
        If there is no such CRS.
    """
    import pyproj

    try:
        return pyproj.CRS.from_user_input(crs)
    except pyproj.exceptions.CRSError as error:
        raise GridError(
            f"there is no CRS {crs_name(crs)}", "give the EPSG code of a CRS, for example 32633 or 3035"
        ) from error


def crs_name(crs: int | str) -> str:
    """Return a short name for messages."""
    return f"EPSG:{crs}" if isinstance(crs, int) else shorten(crs, 60)


def map_crs(epsg: int) -> CRS:
    """Return the CRS of an EPSG code if it suits rasters: two axes, x to the east and y to the north.

    Raises
    ------
    GridError
        If there is no such CRS, or it is not a map CRS.
    """
    crs = crs_of(epsg)
    if len(crs.axis_info) != 2 or not (crs.is_geographic or crs.is_projected):
        raise GridError(
            f"EPSG:{epsg} ({crs.name}) is not a CRS of maps: {len(crs.axis_info)} axes, {crs.type_name}",
            "give one in longitude and latitude, or metres, such as EPSG:4326 or EPSG:3857",
        )
    if "west" in {axis.direction for axis in crs.axis_info}:
        raise GridError(
            f"EPSG:{epsg} ({crs.name}) counts to the west: a raster in it would be mirrored",
            "give one whose axes point east and north, such as EPSG:4326 or EPSG:3857",
        )
    return crs


def utm_zone(epsg: int | str) -> int | None:
    """Return the UTM zone of a WGS 84 / UTM EPSG code, negative south of the equator; None for any other CRS."""
    hemisphere, zone = divmod(epsg, 100) if isinstance(epsg, int) else (0, 0)
    sign = {326: 1, 327: -1}.get(hemisphere)
    return sign * zone if sign and 1 <= zone <= 60 else None


def degrees_a_unit(epsg: int | str) -> float | None:
    """Return a geographic CRS's unit in degrees; None for a projected CRS."""
    if utm_zone(epsg):
        return None
    crs = crs_of(epsg)
    return math.degrees(crs.axis_info[0].unit_conversion_factor) if crs.is_geographic else None


def metres_a_unit(epsg: int | str) -> float:
    """Return a CRS's unit in metres; for a geographic CRS, along a meridian."""
    if utm_zone(epsg):
        return 1.0
    degrees = degrees_a_unit(epsg)
    return float(crs_of(epsg).axis_info[0].unit_conversion_factor) if degrees is None else METRES_PER_DEGREE * degrees


def unit_of(epsg: int) -> str:
    """Return a CRS's unit as UDUNITS spells it: m, degree, US_survey_foot."""
    if utm_zone(epsg):
        return "m"
    name = crs_of(epsg).axis_info[0].unit_name
    return _UDUNITS.get(name, name)
