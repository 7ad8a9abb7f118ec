"""Find the fewest Sentinel-2 tiles that cover a region: tiles overlap by 10 km, and more where zones meet."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import shapely
from shapely.geometry import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from s1monthly.errors import GridError
from s1monthly.grid.regions import on_turn
from s1monthly.grid.tiles import tile_outline, zone_area
from s1monthly.model import Tile

SLIVER = 1e-9
"""Square degrees (12 m2) that may stay uncovered, because of rounding; a pixel has 900 m2."""


def fewest_tiles(roi: Polygon | MultiPolygon, tiles: Sequence[Tile]) -> list[Tile]:
    """Choose the fewest tiles that cover all of a region that the given tiles cover.

    Of several smallest sets it takes one whose tiles lie in their own zone as far as possible: most bursts need no
    resampling there.

    Parameters
    ----------
    roi : Polygon or MultiPolygon
        Region as for `tiles.tiles_of_roi`.
    tiles : sequence of Tile
        Tiles to choose from, such as those of `tiles.tiles_of_roi`.

    Returns
    -------
    list of Tile
        Sorted by name.

    Raises
    ------
    GridError
        If the solver fails.

    Examples
    --------
    >>> roi = read_region("POLYGON((-120.1 36.4, -120 36.4, -120 36.5, -120.1 36.5, -120.1 36.4))")
    >>> [tile.name for tile in fewest_tiles(roi, tiles_of_roi(roi))]
    """
    if len(tiles) < 2:
        return list(tiles)
    outlines = np.array([tile_outline(tile) for tile in tiles])
    needs = _needs(roi, outlines)
    return sorted(tiles[index] for index in _solve(needs, _foreign(roi, tiles, outlines)))


def _needs(roi: BaseGeometry, outlines: np.ndarray) -> set[frozenset[int]]:
    """Return for each part of the region, cut by the outlines of all tiles, the tiles of which one must be chosen."""
    edges = shapely.get_parts(shapely.node(shapely.union_all(shapely.boundary(outlines))))
    faces = shapely.get_parts(shapely.polygonize(edges))
    world = on_turn(roi, (-180.0, -90.0, 180.0, 90.0))
    shapely.prepare(world)
    whole = shapely.contains_properly(world, faces)
    rest = ~whole & shapely.intersects(world, faces)
    whole[rest] = shapely.area(shapely.intersection(world, faces[rest])) > SLIVER
    points = shapely.point_on_surface(faces[whole & (shapely.area(faces) > SLIVER)])
    over: list[set[int]] = [set() for _ in points]
    for point, tile in shapely.STRtree(outlines).query(points, predicate="intersects").T.tolist():
        over[point].add(tile)
    return {frozenset(covering) for covering in over if covering}


def _foreign(roi: BaseGeometry, tiles: Sequence[Tile], outlines: np.ndarray) -> list[float]:
    """Return the share of each tile's part of the region that lies outside the tile's zone, 0 to 1."""
    shares = []
    for tile, outline in zip(tiles, outlines, strict=True):
        common = on_turn(roi, outline.bounds).intersection(outline)
        own = on_turn(zone_area(tile.zone), outline.bounds)
        shares.append(common.difference(own).area / common.area if common.area else 1.0)
    return shares


def _solve(needs: set[frozenset[int]], foreign: Sequence[float]) -> list[int]:
    """Solve the set cover as an integer program: first the fewest tiles, then the least area in foreign zones."""
    import pulp  # here: few runs need it

    model = pulp.LpProblem("fewest_tiles")
    chosen = [model.add_variable(f"tile_{index}", cat="Binary") for index in range(len(foreign))]
    # all shares together count less than one tile
    model += pulp.lpSum((1 + share / (len(foreign) + 1)) * tile for share, tile in zip(foreign, chosen, strict=True))
    for need in sorted(needs, key=sorted):
        model += pulp.lpSum(chosen[index] for index in sorted(need)) >= 1
    status = model.solve(pulp.PULP_CBC_CMD(msg=False, threads=1))
    if pulp.LpStatus[status] != "Optimal":
        raise GridError(
            f"roi.cover: fewest: no cover of {len(foreign)} tiles was found ({pulp.LpStatus[status]})",
            "use roi.cover: all",
        )
    return [index for index, tile in enumerate(chosen) if tile.value() > 0.5]
