"""Find the cube from which each feature is read: of tiles that overlap, the one whose centre is nearer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import shapely
from numpy.typing import NDArray

from s1monthly.cube.header import Header, read_header
from s1monthly.errors import GridError, ProductError
from s1monthly.grid.crs import degrees_a_unit, metres_a_unit
from s1monthly.grid.lattice import GeoBox
from s1monthly.grid.outlines import SEGMENT, transformer
from s1monthly.layout import Layout, parse_folder
from s1monthly.model import COMBINED, Stack, Tile, TileDirection
from s1monthly.series.features import Features

Floats = NDArray[np.float64]
Integers = NDArray[np.intp]


@dataclass(frozen=True)
class Placed:
    """Features that are read from one cube, and their pixels.

    Attributes
    ----------
    header : Header
        The cube.
    features : array (features,) of int
        Positions among all features.
    share : array (features,)
        Share of each feature's area that lies in the tile; 1 for points.
    others : list of str
        For each feature the other tiles that hold it, joined by blanks.
    rows, columns : array (pixels,) of int
        Pixels, feature after feature.
    starts : array (features,) of int
        Position of each feature's first pixel.
    """

    header: Header
    features: Integers
    share: Floats
    others: list[str]
    rows: Integers
    columns: Integers
    starts: Integers


def find_cubes(base_dir: str | Path, directions: Iterable[str], tracks: Sequence[int] = ()) -> list[Header]:
    """Return the headers of the cubes in an output tree, by tile and direction.

    Parameters
    ----------
    directions : iterable of str
        Directions, without track.
    tracks : sequence of int
        Only cubes of these tracks; all by default.

    Raises
    ------
    ProductError
        If there is none.
    """
    base, wanted = Path(base_dir), {*map(str, directions)}
    names = sorted(folder.parent.parent.name for folder in base.glob("*/zarr/S1_monthly.zarr"))
    keys = [TileDirection(Tile(one[0]), Stack.parse(one[1])) for name in names if (one := parse_folder(name))]
    chosen = [
        key for key in keys if str(key.direction.pooled) in wanted and (not tracks or key.direction.track in tracks)
    ]
    headers = [header for key in chosen if (header := read_header(Layout(str(base)).of(key).cube))]
    if not headers:
        some = "no cube of the directions and tracks that are wanted" if keys else "no cube"
        there = ", ".join(sorted({str(key.direction) for key in keys}))
        remedy = f"there are cubes of {there}" if there else "give the --output-dir that holds the workflow's output"
        raise ProductError(f"{base}: {some}", remedy)
    return headers


def place(features: Features, headers: Sequence[Header]) -> list[Placed]:
    """Choose a cube for each feature and direction (or track).

    A feature is read from the tile that holds the larger part of it; of tiles that hold it whole, from the one whose
    centre is nearer.

    Raises
    ------
    GridError
        If a feature lies outside all tiles, or a polygon holds no centre of a pixel.
    """
    projected = cache(lambda epsg: _project(features, epsg))
    found: list[Placed] = []
    covered = np.zeros(len(features.names), bool)
    for stack in sorted({header.direction for header in headers}, key=_rank):
        of_stack = [header for header in headers if header.direction == stack]
        shares, distances = (
            np.stack(table)
            for table in zip(*(_fit(projected(box.epsg), box) for box in (h.geobox for h in of_stack)), strict=True)
        )
        best = np.lexsort((distances.T, -shares.T.round(6)))[:, 0]
        covered |= (shares > 0).any(0)
        for number, header in enumerate(of_stack):
            mine = np.flatnonzero((best == number) & (shares[number] > 0))
            if len(mine):
                inside = [np.flatnonzero(shares[:, one] > 0) for one in mine]
                others = [" ".join(str(of_stack[k].tile) for k in some if k != number) for some in inside]
                pixels = _pixels(projected(header.geobox.epsg)[mine], header.geobox, [features.names[k] for k in mine])
                found.append(Placed(header, mine, shares[number, mine], others, *pixels))
    outside = np.flatnonzero(~covered)
    if len(outside):
        tiles = sorted({str(header.tile) for header in headers})
        more = f" and {len(outside) - 1} more" if len(outside) > 1 else ""
        kind = features.geometries[outside[0]].geom_type.lower()
        shown = ", ".join(tiles[:5]) + (f" ... ({len(tiles)})" if len(tiles) > 5 else "")
        raise GridError(
            f"{kind} {features.names[outside[0]]}{more}: outside all tiles of the tree: {shown}",
            "leave out what lies outside; coordinates are longitude before latitude, or name their --crs",
        )
    return found


def _rank(stack: Stack) -> tuple[bool, str]:
    return stack == COMBINED, str(stack)


def _project(features: Features, epsg: int) -> NDArray[np.object_]:
    """Return the geometries in a grid's CRS; what the CRS does not cover becomes an empty geometry."""
    geometries, crs = features.geometries, features.crs
    if geometries[0].geom_type != "Point":
        degrees = degrees_a_unit(crs)
        geometries = shapely.segmentize(geometries, 0.01 / degrees if degrees else SEGMENT / metres_a_unit(crs))
    to_grid = transformer(crs, epsg)
    moved = shapely.transform(geometries, lambda x, y: to_grid.transform(x, y), interleaved=False)
    beyond = ~np.isfinite(shapely.bounds(moved)).all(1)
    moved[beyond] = shapely.from_wkt("POLYGON EMPTY")
    return np.asarray(moved, object)


def _fit(geometries: NDArray[np.object_], box: GeoBox) -> tuple[Floats, Floats]:
    """Return the share of each geometry inside a grid, and its distance from the centre of the grid in metres."""
    left, bottom, right, top = box.bounds
    centres = shapely.centroid(geometries)
    x, y = shapely.get_x(centres), shapely.get_y(centres)
    metres = metres_a_unit(box.epsg)
    distance = np.hypot(x - (left + right) / 2, y - (bottom + top) / 2) * metres
    share = ((left <= x) & (x < right) & (bottom < y) & (y <= top)).astype(float)
    areas = shapely.area(geometries)
    polygons = np.flatnonzero(areas > 0)
    share[polygons] = 0.0
    if len(polygons):
        bounds = shapely.bounds(geometries[polygons])
        meets = (bounds[:, 0] < right) & (bounds[:, 2] > left) & (bounds[:, 1] < top) & (bounds[:, 3] > bottom)
        near = polygons[meets]
        share[near] = shapely.area(shapely.intersection(geometries[near], shapely.box(*box.bounds))) / areas[near]
    return share, np.nan_to_num(distance, nan=np.inf)


def _pixels(geometries: NDArray[np.object_], box: GeoBox, names: Sequence[str]) -> tuple[Integers, Integers, Integers]:
    """Return rows, columns and starts of the pixels of geometries: of polygons those whose centre lies inside."""
    if geometries[0].geom_type == "Point":
        rows = np.floor((box.top - shapely.get_y(geometries)) / box.resolution).astype(np.intp)
        columns = np.floor((shapely.get_x(geometries) - box.left) / box.resolution).astype(np.intp)
        return rows, columns, np.arange(len(geometries))
    parts = [_inside(one, box) for one in geometries]
    sizes = np.array([len(rows) for rows, _ in parts])
    for name, size in zip(names, sizes, strict=True):
        if size == 0:
            raise GridError(
                f"polygon {name}: holds no centre of a pixel of {box.resolution:g}", "give a larger one, or a point"
            )
    rows, columns = (np.concatenate(some) for some in zip(*parts, strict=True))
    return rows, columns, np.cumsum(sizes) - sizes


def _inside(polygon: shapely.Geometry, box: GeoBox) -> tuple[Integers, Integers]:
    from rasterio.features import geometry_mask
    from rasterio.transform import Affine

    left, bottom, right, top = polygon.bounds
    size = box.resolution
    column, row = max(0, int((left - box.left) // size)), max(0, int((box.top - top) // size))
    width = min(box.width, int((right - box.left) // size) + 1) - column
    height = min(box.height, int((box.top - bottom) // size) + 1) - row
    affine = Affine(size, 0.0, box.left + column * size, 0.0, -size, box.top - row * size)
    rows, columns = np.nonzero(geometry_mask([polygon], (height, width), affine, invert=True))
    return rows + row, columns + column
