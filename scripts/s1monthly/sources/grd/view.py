"""How an image sees a tile: places, layover and shadow, areas, and the static layers made of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from s1monthly.kernels.grd.flattening import (
    LEAST_SEEN,
    LOOKS,
    LookGrid,
    SquareArea,
    illuminated_area,
    incidence_angle,
    look_grid,
    on_lattice,
    square_area,
    within,
)
from s1monthly.kernels.grd.geocoding import ImageGeometry, ground_knots, locate, locate_lattice
from s1monthly.kernels.grd.visibility import layover_shadow
from s1monthly.kernels.masking import NO_DATA, SHADOW
from s1monthly.sources.grd.dem import STEP, TileHeights, knots_lonlat

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Codes = NDArray[np.uint8]

_SPARE_SAMPLES = 50
"""Samples by which static layers reach beyond an image: swaths of a track differ by some tens."""


@dataclass(frozen=True, eq=False)
class TileView:
    """How an image sees a tile.

    Attributes
    ----------
    geometry : ImageGeometry
        Of the image.
    tile : TileHeights
        Heights of the tile, with their margin.
    grid : LookGrid
        Squares of the image that the tile needs.
    knots : float64 (11, knot row, knot column)
        From `ground_knots`, of the lattice with its margin.
    places : tuple of float32 (rows, columns)
        Lines and samples of the lattice with its margin.
    visibility : uint8 (rows, columns)
        0 seen, 1 shadow, 2 layover, 3 both, of the lattice with its margin.
    """

    geometry: ImageGeometry
    tile: TileHeights
    grid: LookGrid
    knots: Floats
    places: tuple[Singles, Singles]
    visibility: Codes

    @cached_property
    def lines(self) -> Singles:
        """Lines of the tile's pixels, (rows, columns); NaN beyond the image."""
        lines, samples = (values[self.tile.inner] for values in self.places)
        return np.where(within(self.geometry, lines, samples), lines, np.float32(np.nan))

    @cached_property
    def samples(self) -> Singles:
        """Samples of the tile's pixels, (rows, columns)."""
        return np.ascontiguousarray(self.places[1][self.tile.inner])

    @cached_property
    def mask(self) -> Codes:
        """0 seen, 1 shadow, 2 layover, 3 both, 255 beyond the image, (rows, columns)."""
        return np.where(np.isnan(self.lines), np.uint8(NO_DATA), self.visibility[self.tile.inner])

    @cached_property
    def square(self) -> SquareArea:
        """Areas of the squares in each column."""
        middle = self.knots.shape[1] // 2, self.knots.shape[2] // 2
        mean_height = self.tile.heights[self.tile.inner].mean()
        radius = float(np.linalg.norm(self.knots[:3, middle[0], middle[1]]) + mean_height)
        return square_area(self.geometry, self.grid, radius)

    def area(self, surface: bool = False, threads: int = 1) -> Singles:
        """Return the ground area in each square as the radar sees it, or its surface; see `illuminated_area`."""
        return illuminated_area(
            self.grid, self.knots, STEP, self.tile.heights, *self.places, self.visibility, surface=surface,
            threads=threads,
        )  # fmt: skip

    def incidence(self, local: bool = False, threads: int = 1) -> Singles:
        """Return incidence angles of the tile's pixels in degrees, (rows, columns); see `incidence_angle`."""
        return incidence_angle(self.knots, STEP, self.tile.heights, local, threads)[self.tile.inner]

    def on_tile(self, values: Singles, threads: int = 1) -> Singles:
        """Resample squares to the tile's pixels, (rows, columns); NaN beyond the image and in shadow."""
        found = on_lattice(values, self.grid, self.lines, self.samples, threads)
        found[self.mask & SHADOW > 0] = np.nan
        return found


def view_tile(geometry: ImageGeometry, tile: TileHeights, threads: int = 1) -> TileView | None:
    """Find a tile in an image.

    Parameters
    ----------
    geometry : ImageGeometry
        Of the image.
    tile : TileHeights
        The tile's heights, with their margin.
    threads : int
        Threads that work at once.

    Returns
    -------
    TileView or None
        None if the image does not meet the tile.
    """
    knots = ground_knots(geometry, *knots_lonlat(tile.box))
    places = locate_lattice(geometry, knots, STEP, tile.heights, threads)
    grid = look_grid(geometry, places[0][tile.inner], places[1][tile.inner], LOOKS)
    if grid is None:
        return None
    return TileView(geometry, tile, grid, knots, places, layover_shadow(geometry, knots, STEP, tile.heights, threads))


def reaching(geometry: ImageGeometry, tile: TileHeights) -> ImageGeometry:
    """Return the geometry of an image that goes on over the whole tile, along its orbit.

    Parameters
    ----------
    geometry : ImageGeometry
        Of an image that meets the tile.
    tile : TileHeights
        The tile's heights.

    Returns
    -------
    ImageGeometry
        With more lines before and after, as far as the state vectors reach, and some samples on either side.
    """
    orbit, interval = geometry.orbit, geometry.line_interval
    longitudes, latitudes = (values.ravel() for values in knots_lonlat(tile.box))
    lines = locate(geometry, longitudes, latitudes, np.zeros(longitudes.size)).times / interval
    known = (orbit.centre - orbit.scale) / interval, (orbit.centre + orbit.scale) / interval
    first = int(max(min(np.nanmin(lines) - LOOKS, 0), np.ceil(known[0])))
    last = int(min(max(np.nanmax(lines) + LOOKS, geometry.lines), known[1]))
    return replace(
        geometry,
        orbit=replace(orbit, centre=orbit.centre - first * interval),
        lines=last - first,
        samples=geometry.samples + 2 * _SPARE_SAMPLES,
        set_times=geometry.set_times - first * interval,
        set_origins=geometry.set_origins + _SPARE_SAMPLES * geometry.sample_spacing,
    )


def static_layers(view: TileView, threads: int = 1) -> dict[str, NDArray[Any]]:
    """Return the layers of OPERA's static granules of a tile, by their names.

    - ``incidence_angle``: between the line of sight and the normal of the ellipsoid, at the height of the ground;
      degrees.
    - ``local_incidence_angle``: between the line of sight and the normal of the ground; degrees.
    - ``number_of_looks``: pixels of the image in a pixel of the tile. (OPERA counts those of the image before GRD's
      own averaging.)
    - ``rtc_anf_gamma0_to_beta0``: area of the ground as the radar sees it, over that in the plane of slant range and
      azimuth; 1 / tan of the incidence angle on flat ground.
    - ``rtc_anf_gamma0_to_sigma0``: that area, over the surface of the ground; cos of the incidence angle on flat
      ground.
    - ``mask``: 0 seen, 1 shadow, 2 layover, 3 both, 255 no data.

    Parameters
    ----------
    view : TileView
        Of an image that reaches over the tile (`reaching`).
    threads : int
        Threads that work at once.

    Returns
    -------
    dict of str to array (rows, columns)
        float32, NaN beyond the image, factors also in shadow; ``mask`` uint8.
    """
    seen, surface = view.area(threads=threads), view.area(surface=True, threads=threads)
    seen[seen < LEAST_SEEN * view.square.flat] = np.nan
    to_beta = np.divide(seen, view.square.slant, dtype=np.float32)
    to_sigma = np.divide(seen, surface, out=np.full_like(seen, np.nan), where=surface > 0)
    layers = {
        "incidence_angle": view.incidence(threads=threads),
        "local_incidence_angle": view.incidence(local=True, threads=threads),
        "number_of_looks": _number_of_looks(view),
        "rtc_anf_gamma0_to_beta0": view.on_tile(to_beta, threads),
        "rtc_anf_gamma0_to_sigma0": view.on_tile(to_sigma, threads),
    }
    beyond = np.isnan(view.lines)
    for values in layers.values():
        values[beyond] = np.nan
    return {**layers, "mask": view.mask}


def _number_of_looks(view: TileView) -> Singles:
    """Return the pixels of the image in each of the tile: the area that it covers in lines and samples."""
    (rows, columns), (lines, samples) = view.tile.inner, view.places
    left, right = (slice(columns.start + by, columns.stop + by) for by in (-1, 1))
    looks = np.empty((rows.stop - rows.start, columns.stop - columns.start), np.float32)
    for number, row in enumerate(range(rows.start, rows.stop)):
        down = [values[row + 1, columns] - values[row - 1, columns] for values in (lines, samples)]
        along = [values[row, right] - values[row, left] for values in (lines, samples)]
        looks[number] = np.abs(down[0] * along[1] - down[1] * along[0]) / 4
    return looks
