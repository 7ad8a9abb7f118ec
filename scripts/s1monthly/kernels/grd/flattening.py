"""Terrain flattening by area projection (Small 2011), and bringing an image onto a lattice.

D. Small: Flattening Gamma: Radiometric Terrain Correction for SAR Imagery. IEEE TGRS 49 (8), 2011.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from s1monthly.kernels.grd.geocoding import ImageGeometry, azimuth_spacing, by_rows

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Codes = NDArray[np.uint8]
Flags = NDArray[np.bool_]

LOOKS = 3
"""Side in pixels of the squares of the image in which area is added up."""
PARTS = 2
"""Parts of a side of a facet, which fall into the image one by one. With facets of 30 m and squares of 3 pixels, flat
ground is even within 0.01 dB; with one part or single pixels it is not (moire)."""
SLIVER = 0.002
"""Pixels by which images that follow each other may lie apart: 0.0003 lines between real slices, and rounding."""
LEAST_SEEN = 0.05
"""Share of the area of flat ground below which a square counts as shadow."""


@dataclass(frozen=True)
class LookGrid:
    """Squares of pixels of an image.

    Attributes
    ----------
    first_line, first_sample : int
        First pixel of the first square.
    rows, columns : int
        Number of squares.
    looks : int
        Side of a square in pixels.
    """

    first_line: int
    first_sample: int
    rows: int
    columns: int
    looks: int

    @property
    def window(self) -> tuple[slice, slice]:
        """Lines and samples of the image."""
        return (
            slice(self.first_line, self.first_line + self.rows * self.looks),
            slice(self.first_sample, self.first_sample + self.columns * self.looks),
        )


def look_grid(geometry: ImageGeometry, lines: Singles, samples: Singles, looks: int = LOOKS) -> LookGrid | None:
    """Return the squares of an image that a tile needs.

    Parameters
    ----------
    geometry : ImageGeometry
        Of the image.
    lines, samples : float32 (rows, columns)
        Places of the tile's pixels in the image; NaN where they have none.
    looks : int
        Side of a square in pixels.

    Returns
    -------
    LookGrid or None
        Squares are counted from the image's first pixel, so that neighbouring tiles have the same ones. None if the
        tile does not meet the image.
    """
    inside = within(geometry, lines, samples)
    if not inside.any():
        return None
    bounds = []
    for places, count in ((lines[inside], geometry.lines), (samples[inside], geometry.samples)):
        first = max(int(places.min()) // looks - 1, 0)
        last = min(int(places.max()) // looks + 1, count // looks - 1)
        bounds.append((first * looks, last - first + 1))
    (first_line, rows), (first_sample, columns) = bounds
    return LookGrid(first_line, first_sample, rows, columns, looks) if min(rows, columns) > 0 else None


def within(geometry: ImageGeometry, lines: Singles, samples: Singles) -> Flags:
    """Return which places lie in an image: within its outermost pixels, up to their outer edges.

    A place at the joint of two images that follow each other lies in one of them; `SLIVER` makes sure of that.
    """
    found: Flags = np.isfinite(lines)
    for places, count in ((lines, geometry.lines), (samples, geometry.samples)):
        found &= (places >= -0.5 - SLIVER) & (places <= count - 0.5 + SLIVER)
    return found


def illuminated_area(
    grid: LookGrid,
    knots: Floats,
    step: int,
    heights: Singles,
    lines: Singles,
    samples: Singles,
    mask: Codes,
    parts: int = PARTS,
    surface: bool = False,
    threads: int = 1,
) -> Singles:
    """Add up the ground area that falls into each square of the image, as the radar sees it.

    The ground between four pixels of the lattice is a facet. Its area, projected onto the plane across the line of
    sight, falls into the image where its parts lie. Facets that face away, and those in shadow, are not seen.

    Parameters
    ----------
    grid : LookGrid
        Squares of the image.
    knots : float64 (11, knot row, knot column)
        From `geocoding.ground_knots`.
    step : int
        Pixels between knots.
    heights, lines, samples : float32 (rows, columns)
        Of the lattice with its margin: metres above the ellipsoid, and place in the image.
    mask : uint8 (rows, columns)
        From `visibility.layover_shadow`.
    parts : int
        Parts of a side of a facet.
    surface : bool
        Add up the surface of the facets that are seen, not their projection: sigma0 refers to it.
    threads : int
        Threads that work at once, each on a sum of its own.

    Returns
    -------
    float32 (grid rows, grid columns)
        Square metres.
    """
    from s1monthly.kernels.grd._area import add_area  # imported late: loading the compiled code is slow

    bounds = np.linspace(0, len(heights) - 1, threads + 1).astype(int)

    def added(first: int, last: int) -> Singles:
        area = np.zeros((grid.rows, grid.columns), np.float32)
        add_area(
            first, last, knots, step, heights, lines, samples, mask, grid.first_line, grid.first_sample, grid.looks,
            parts, surface, area,
        )  # fmt: skip
        return area

    with ThreadPoolExecutor(threads) as pool:
        sums = list(pool.map(added, bounds[:-1], bounds[1:]))
    total = sums[0]
    for other in sums[1:]:
        total += other
    return total


@dataclass(frozen=True, eq=False)
class SquareArea:
    """Areas of the squares in each column of a `LookGrid`.

    Attributes
    ----------
    slant : float64 (columns,)
        Area in the plane of slant range and azimuth, to which beta0 refers; square metres.
    flat : float64 (columns,)
        Area of flat ground across the line of sight, to which gamma0 refers; square metres.
    """

    slant: Floats
    flat: Floats


def square_area(geometry: ImageGeometry, grid: LookGrid, radius: float) -> SquareArea:
    """Return the areas of squares by column.

    Both spacings are the true ones: of slant range by the polynomials, of azimuth by the distance between the planes of
    zero Doppler. The annotated azimuth spacing is 1 % too small.

    Parameters
    ----------
    geometry : ImageGeometry
        Of the image.
    grid : LookGrid
        Squares.
    radius : float
        Distance of the ground from the Earth's centre, in metres.
    """
    time = (grid.first_line + grid.rows * grid.looks / 2) * geometry.line_interval
    edges = (grid.first_sample - 0.5 + np.arange(grid.columns + 1.0) * grid.looks) * geometry.sample_spacing
    by_set = geometry.slant_range(edges)
    slant = np.array([np.interp(time, geometry.set_times, column) for column in by_set.T])
    range_spacing = np.diff(slant)
    ranges = (slant[1:] + slant[:-1]) / 2
    times = np.full(len(ranges), time)
    points = points_at(geometry, times, ranges, np.full(len(ranges), radius))
    azimuth = azimuth_spacing(geometry, times, points) * grid.looks
    area = azimuth * range_spacing
    sine = np.minimum(range_spacing / (grid.looks * geometry.sample_spacing), 0.999)
    return SquareArea(area, area * np.sqrt(1 - sine**2) / sine)


def points_at(geometry: ImageGeometry, times: Floats, ranges: Floats, radii: Floats) -> Floats:
    """Return the ground points at some times and slant ranges, at a distance from the Earth's centre.

    Sentinel-1 looks to the right.

    Parameters
    ----------
    times, ranges, radii : float64 (point,)
        Seconds since line 0; metres; metres.

    Returns
    -------
    float64 (point, 3)
        Earth-fixed, in metres; NaN where the slant range does not reach the ground.
    """
    satellite, velocity = geometry.orbit.position(times), geometry.orbit.velocity(times)
    ahead = velocity / np.linalg.norm(velocity, axis=1, keepdims=True)
    down = np.einsum("pk,pk->p", satellite, ahead)[:, None] * ahead - satellite
    down /= np.linalg.norm(down, axis=1, keepdims=True)
    right = np.cross(down, ahead)
    height = -np.einsum("pk,pk->p", satellite, down)
    cosine = (np.einsum("pk,pk->p", satellite, satellite) + ranges**2 - radii**2) / (2 * ranges * height)
    with np.errstate(invalid="ignore"):
        sine = np.sqrt(1 - cosine**2)
    return satellite + ranges[:, None] * (cosine[:, None] * down + sine[:, None] * right)


def flattened(beta: Singles, area: Singles, square: SquareArea, threads: int = 1) -> Singles:
    """Return terrain-flattened gamma0: beta0 times its area over the area that the radar sees.

    Area is shared among neighbouring squares, so beta0 is averaged over its neighbours as widely, with the weights
    1/24, 11/12, 1/24. Otherwise slopes would stay visible: on steep ground by 0.4 dB.

    Parameters
    ----------
    beta : float32 (rows, columns)
        Mean beta0 of the squares, linear power; NaN for no data.
    area : float32 (rows, columns)
        From `illuminated_area`.
    square : SquareArea
        From `square_area`.
    threads : int
        Threads that work at once.

    Returns
    -------
    float32 (rows, columns)
        Linear power; NaN for no data, and where less than 5 % of the area of flat ground is seen.
    """
    from s1monthly.kernels.grd._area import fill_flattened

    gamma = np.empty(beta.shape, np.float32)
    slant, least = square.slant.astype(np.float32), (LEAST_SEEN * square.flat).astype(np.float32)
    by_rows(lambda first, last: fill_flattened(first, last, beta, area, slant, least, gamma), len(beta), threads)
    return gamma


def on_lattice(values: Singles, grid: LookGrid, lines: Singles, samples: Singles, threads: int = 1) -> Singles:
    """Resample squares of an image bilinearly to a lattice.

    Parameters
    ----------
    values : float32 (grid rows, grid columns)
        Linear power, or another quantity; NaN for no data.
    grid : LookGrid
        Squares.
    lines, samples : float32 (rows, columns)
        Places of the lattice's pixels in the image.

    Returns
    -------
    float32 (rows, columns)
        NaN where the weights of valid neighbours sum to less than 0.5, or only one is valid.
    """
    from s1monthly.kernels.grd._area import fill_sampled

    sampled = np.empty(lines.shape, np.float32)

    def fill(first: int, last: int) -> None:
        fill_sampled(first, last, values, lines, samples, grid.first_line, grid.first_sample, grid.looks, sampled)

    by_rows(fill, len(lines), threads)
    return sampled


def incidence_angle(knots: Floats, step: int, heights: Singles, local: bool = False, threads: int = 1) -> Singles:
    """Return the angle between the line of sight and the normal of the ellipsoid or the ground, in degrees.

    Parameters
    ----------
    knots, step, heights
        As for `illuminated_area`.
    local : bool
        Take the normal of the ground.

    Returns
    -------
    float32 (rows, columns)
        From 0 to 180; above 90 the ground faces away. NaN without height.
    """
    from s1monthly.kernels.grd._area import fill_incidence

    angle = np.empty(heights.shape, np.float32)
    by_rows(lambda first, last: fill_incidence(first, last, knots, step, heights, local, angle), len(heights), threads)
    return angle
