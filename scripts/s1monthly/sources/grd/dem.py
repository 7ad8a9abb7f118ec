"""Heights above the ellipsoid on a tile's lattice, from a DEM and a geoid."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.errors import RasterioError
from rasterio.windows import Window

from s1monthly.errors import ConfigError, GridError
from s1monthly.grid.crs import crs_of
from s1monthly.grid.lattice import GeoBox
from s1monthly.grid.outlines import LONLAT, transformer
from s1monthly.kernels.resampling import between_knots, bilinear
from s1monthly.sources.grd.copernicus import TileFolder, open_tiles
from s1monthly.sources.grd.geoid import CACHE, Geoid, open_geoid

Singles = NDArray[np.float32]
Floats = NDArray[np.float64]

STEP = 16
"""Pixels between knots at which places are computed; linear in between."""

STEEPEST_LOOK = 28.0
"""Incidence angle in degrees at the near edge of IW: a summit moves its height / tan(angle) towards the satellite."""

WIDEST_MARGIN = 20_000.0
"""Metres: the margin that the highest mountains need."""

SPARE = 10
"""Pixels of margin in any case, for interpolation."""

_DATUMS = {3855: "egm2008", 5773: "egm96"}


class HeightsAbove(StrEnum):
    """What the heights of a DEM are measured from."""

    EGM2008 = "egm2008"
    EGM96 = "egm96"
    ELLIPSOID = "ellipsoid"


@dataclass(frozen=True)
class Dem:
    """A DEM with its geoid.

    Attributes
    ----------
    source : str or TileFolder
        A raster that GDAL reads, or the tiles in a folder.
    above : HeightsAbove
        What its heights are measured from.
    geoid : Geoid or None
        None for heights above the ellipsoid.
    """

    source: str | TileFolder
    above: HeightsAbove
    geoid: Geoid | None

    @property
    def name(self) -> str:
        """File or folder, for messages."""
        return self.source if isinstance(self.source, str) else self.source.folder


def open_dem(
    path: str | os.PathLike[str],
    above: HeightsAbove,
    geoid: str | os.PathLike[str] | None,
    ocean: Iterable[str] = (),
) -> Dem:
    """Open a DEM.

    Parameters
    ----------
    path : path
        A GeoTIFF or VRT, or a folder of tiles of the Copernicus DEM.
    above : HeightsAbove
        What its heights are measured from.
    geoid : path or None
        A grid of that geoid. PROJ is not asked: without its grids it silently adds nothing.
    ocean : iterable of str
        Names of tiles of the Copernicus DEM that do not exist because they are all ocean; see `open_tiles`.

    Raises
    ------
    ConfigError
        If a geoid is needed and not given, or the other way round, or the DEM says that its heights are others; if
        `ocean` is given and `path` is a raster, or it names no tile or one with heights.
    GridError
        If DEM or geoid cannot be read.
    """
    if above == HeightsAbove.ELLIPSOID and geoid is not None:
        raise ConfigError(
            "grd.geoid: heights above the ellipsoid need no geoid", "remove it, or correct grd.dem_heights"
        )
    if above != HeightsAbove.ELLIPSOID and geoid is None:
        raise ConfigError(
            f"grd.geoid: heights above {above} need a grid of the geoid; without it pixels move by up to 85 m",
            "give a grid such as us_nga_egm08_25.tif (cdn.proj.org) or egm96_15.gtx",
        )
    name, ocean = os.fspath(path), list(ocean)
    source = open_tiles(name, ocean) if os.path.isdir(name) else name
    if isinstance(source, str):
        if ocean:
            raise ConfigError(f"ocean: DEM {name} is no folder of tiles", "remove the names of ocean tiles")
        check_raster(source, above)
    elif above == HeightsAbove.ELLIPSOID:
        raise ConfigError(f"DEM folder {name}: tiles of the Copernicus DEM have heights above egm2008", "say so")
    return Dem(source, above, open_geoid(geoid) if geoid is not None else None)


def check_raster(path: str, above: HeightsAbove) -> None:
    """Refuse a DEM that cannot be read, or whose CRS names another vertical datum; errors are those of `open_dem`."""
    try:
        with rasterio.Env(**CACHE), rasterio.open(path) as dataset:
            crs = dataset.crs
    except RasterioError as error:
        raise GridError(f"DEM {path}: {error}", "give a GeoTIFF, a VRT, or a folder of tiles as grd.dem") from error
    if crs is None:
        raise GridError(f"DEM {path}: it has no CRS", "add it: gdal_edit.py -a_srs EPSG:...")
    for part in crs_of(crs.to_wkt()).sub_crs_list:
        stated = _DATUMS.get(part.to_epsg() or 0)
        if stated is not None and stated != above:
            raise ConfigError(f"grd.dem_heights: {above}, but {path} says that its heights are above {stated}",
                              "correct one of them")  # fmt: skip


def ellipsoid_heights(dem: Dem, box: GeoBox) -> Singles:
    """Return heights above the ellipsoid at the pixel centres of a lattice.

    The DEM is interpolated bilinearly; a raster of pixels at most half as wide as the lattice's is averaged first.

    Parameters
    ----------
    dem : Dem
        DEM and geoid.
    box : GeoBox
        The lattice.

    Returns
    -------
    float32 (rows, columns)
        Metres; never NaN. On squares of Copernicus tiles that are known to be all ocean, it is the geoid's height.

    Raises
    ------
    GridError
        If the DEM does not cover the lattice, a tile is missing and not known to be ocean, or it has holes.
    """
    heights = _heights(dem, box)
    _check_whole(dem, box, heights)
    return heights


def _heights(dem: Dem, box: GeoBox) -> Singles:
    """Return heights above the ellipsoid, NaN where a raster has none."""
    x, y = _knots(box)
    longitudes, latitudes = _to(box, LONLAT, x, y)
    longitudes = _unwrapped(longitudes)
    heights = (
        _from_tiles(dem.source, box, longitudes, latitudes)
        if isinstance(dem.source, TileFolder)
        else _from_raster(dem.source, box, x, y)
    )
    if (heights < -1000).any() or (heights > 9500).any():
        span = f"{np.nanmin(heights):g} to {np.nanmax(heights):g}"
        raise GridError(f"DEM {dem.name}: {span} are no heights in metres", "correct its heights or its no-data value")
    if dem.geoid is None:
        return heights
    undulation = between_knots(dem.geoid.height(longitudes, latitudes), STEP, box.shape)
    return heights + undulation.astype(np.float32)


def _check_whole(dem: Dem, box: GeoBox, heights: Singles) -> None:
    missing = ~np.isfinite(heights)
    if missing.any():
        longitudes, latitudes = knots_lonlat(box)
        row, column = np.argwhere(missing)[0] // STEP
        place = f"longitude {longitudes[row, column]:.3f}, latitude {latitudes[row, column]:.3f}"
        raise GridError(
            f"DEM {dem.name}: no heights on {missing.mean():.2%} of the grid, such as near {place}",
            "give a DEM that reaches 20 km beyond the tile and has no holes; over the sea, 0 above the geoid; "
            "across 180 degrees, longitudes up to 360",
        )


def _knots(box: GeoBox) -> tuple[Floats, Floats]:
    """Return x and y of the lattice's knots, the last at or beyond its edge."""
    rows, columns = (np.arange(max(math.ceil((count - 1) / STEP), 1) + 1) * float(STEP) for count in box.shape)
    x, y = box.left + (columns + 0.5) * box.resolution, box.top - (rows + 0.5) * box.resolution
    grid_x, grid_y = np.meshgrid(x, y)
    return grid_x, grid_y


def knots_lonlat(box: GeoBox) -> tuple[Floats, Floats]:
    """Return longitude and latitude of every `STEP`-th pixel centre of a lattice, for `ground_knots`."""
    return _to(box, LONLAT, *_knots(box))


def surroundings_lonlat(box: GeoBox) -> tuple[Floats, Floats]:
    """Return longitude and latitude of the knots of a tile's lattice with the widest margin, without a jump at 180."""
    longitudes, latitudes = knots_lonlat(grown(box, _pixels(box, WIDEST_MARGIN)))
    return _unwrapped(longitudes), latitudes


def _to(box: GeoBox, crs: int | str, x: Floats, y: Floats) -> tuple[Floats, Floats]:
    found_x, found_y = transformer(box.epsg, crs).transform(x, y) if box.epsg != crs else (x, y)
    if not (np.isfinite(found_x).all() and np.isfinite(found_y).all()):
        raise GridError(f"a grid in {box.crs} reaches beyond what {crs} covers", "choose another CRS")
    return found_x, found_y


def _unwrapped(longitudes: Floats) -> Floats:
    """Return longitudes without a jump at 180 degrees."""
    centre = longitudes.flat[longitudes.size // 2]
    return longitudes + 360 * np.rint((centre - longitudes) / 360)


def _from_tiles(tiles: TileFolder, box: GeoBox, longitudes: Floats, latitudes: Floats) -> Singles:
    bounds = latitudes.min(), latitudes.max(), longitudes.min(), longitudes.max()
    step_y, step_x = tiles.spacing(*bounds)
    top, left = math.floor(-bounds[1] / step_y) - 1, math.floor(bounds[2] / step_x) - 1
    rows, columns = math.ceil(-bounds[0] / step_y) + 2 - top, math.ceil(bounds[3] / step_x) + 2 - left
    nodes_y, nodes_x = -(np.arange(top, top + rows)) * step_y, np.arange(left, left + columns) * step_x
    surface = tiles.surface(nodes_y, nodes_x)
    return bilinear(surface, -latitudes / step_y - top, longitudes / step_x - left, STEP, box.shape)


def _from_raster(path: str, box: GeoBox, x: Floats, y: Floats) -> Singles:
    try:
        with rasterio.Env(**CACHE), rasterio.open(path) as dataset:
            transform = dataset.transform
            if transform.b or transform.d or transform.a <= 0 or transform.e >= 0:
                raise GridError(f"DEM {path}: it is not north-up", "warp it: gdalwarp")
            dem_x, dem_y = _to(box, dataset.crs.to_wkt(), x, y)
            if dataset.crs.is_geographic:
                centre = transform.c + transform.a * dataset.width / 2
                dem_x = _unwrapped(dem_x)  # as a whole: it may lie across 180 degrees
                dem_x = dem_x + 360 * np.rint((centre - np.median(dem_x)) / 360)
            columns, rows = (dem_x - transform.c) / transform.a - 0.5, (dem_y - transform.f) / transform.e - 0.5
            steps = [float(np.median(np.abs(np.diff(places, axis=axis)))) / STEP for places, axis in
                     ((rows, 0), (columns, 1))]  # fmt: skip
            factor = max(int(min(steps) + 0.05), 1)
            first_row, first_column = (max(math.floor(places.min()) - factor, 0) for places in (rows, columns))
            last_row = min(math.ceil(rows.max()) + factor, dataset.height - 1)
            last_column = min(math.ceil(columns.max()) + factor, dataset.width - 1)
            if last_row < first_row or last_column < first_column:
                return np.full(box.shape, np.nan, np.float32)
            shape = (max((last_row - first_row + 1) // factor, 1), max((last_column - first_column + 1) // factor, 1))
            window = Window(first_column, first_row, shape[1] * factor, shape[0] * factor)
            heights = dataset.read(1, window=window, out_shape=shape, masked=True, resampling=Resampling.average)
            scale, offset = dataset.scales[0], dataset.offsets[0]
    except RasterioError as error:
        raise GridError(f"DEM {path}: {error}", "give a GeoTIFF, a VRT, or a folder of tiles as grd.dem") from error
    surface = heights.astype(np.float32).filled(np.nan) * np.float32(scale) + np.float32(offset)
    places = [(at - first - (factor - 1) / 2) / factor for at, first in ((rows, first_row), (columns, first_column))]
    return bilinear(surface, places[0], places[1], STEP, box.shape)


def grown(box: GeoBox, pixels: int) -> GeoBox:
    """Return a lattice with a margin on all sides."""
    return replace(
        box,
        left=box.left - pixels * box.resolution,
        top=box.top + pixels * box.resolution,
        width=box.width + 2 * pixels,
        height=box.height + 2 * pixels,
    )


@dataclass(frozen=True, eq=False)
class TileHeights:
    """Heights above the ellipsoid on a tile's lattice and a margin around it.

    Attributes
    ----------
    box : GeoBox
        The lattice with its margin.
    margin : int
        Pixels on each side.
    heights : float32 (rows, columns)
        Metres.
    """

    box: GeoBox
    margin: int
    heights: Singles

    @property
    def tile_box(self) -> GeoBox:
        """The tile's lattice, without the margin."""
        return grown(self.box, -self.margin)

    @property
    def inner(self) -> tuple[slice, slice]:
        """Rows and columns of the tile within the margin."""
        box, margin = self.box, self.margin
        return np.s_[margin : box.height - margin, margin : box.width - margin]


def tile_heights(dem: Dem, box: GeoBox) -> TileHeights:
    """Return the heights of a tile with the margin that its relief needs.

    Ground beyond the tile may lie in the same pixels of the image as ground on it (layover), or cast shadow on it: as
    far away as the difference in height over the tangent of the steepest look.

    Parameters
    ----------
    dem : Dem
        DEM and geoid.
    box : GeoBox
        The tile's lattice.

    Raises
    ------
    GridError
        As for `ellipsoid_heights`. A raster may end beyond the margin that the known relief needs.
    """
    widest = _pixels(box, WIDEST_MARGIN)
    around = grown(box, widest)
    heights = _heights(dem, around)
    inside = np.s_[widest : widest + box.height, widest : widest + box.width]
    _check_whole(dem, box, heights[inside])
    lowest, highest = heights[inside].min(), heights[inside].max()
    rows, columns = (
        np.maximum.reduce([widest - np.arange(count), np.arange(count) - (count - 1 - widest), np.zeros(count, int)])
        for count in around.shape
    )
    away = np.maximum(rows[:, None], columns).astype(np.float32)
    reach = np.fmax(heights - lowest, highest - heights) / (math.tan(math.radians(STEEPEST_LOOK)) * box.metres_a_pixel)
    matters = away <= reach  # False where there is no height
    margin = min(int(away[matters].max(initial=0)) + SPARE, widest)
    cut = widest - margin
    kept = np.ascontiguousarray(heights[cut : around.height - cut, cut : around.width - cut])
    _check_whole(dem, grown(box, margin), kept)
    return TileHeights(grown(box, margin), margin, kept)


def _pixels(box: GeoBox, metres: float) -> int:
    return math.ceil(metres / box.metres_a_pixel)
