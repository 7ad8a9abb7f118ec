"""One product on one tile: from digital numbers to terrain-flattened gamma0 on the lattice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from s1monthly.kernels.grd.flattening import (
    LOOKS,
    LookGrid,
    flattened,
    illuminated_area,
    local_incidence,
    look_grid,
    on_lattice,
    square_area,
)
from s1monthly.kernels.grd.geocoding import ImageGeometry, ground_knots, locate_lattice
from s1monthly.kernels.grd.visibility import layover_shadow
from s1monthly.sources.grd.annotation import Annotation, StateVectors, check_same_image
from s1monthly.sources.grd.dem import STEP, TileHeights, knots_lonlat
from s1monthly.sources.grd.image import image_geometry
from s1monthly.sources.grd.measurement import border_cut, has_border_noise, read_power
from s1monthly.sources.grd.product import Product
from s1monthly.sources.grd.radiometry import gain_table, noise_table

Singles = NDArray[np.float32]
Codes = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class TileView:
    """How an image sees a tile.

    Attributes
    ----------
    geometry : ImageGeometry
        Of the image.
    grid : LookGrid
        Squares of the image that the tile needs.
    lines, samples : float32 (rows, columns)
        Places of the tile's pixels in the image, without the margin.
    mask : uint8 (rows, columns)
        0 seen, 1 shadow, 2 layover, 3 both.
    incidence : float32 (rows, columns)
        Local incidence angle in degrees.
    area : float32 (grid rows, grid columns)
        Ground area in each square, as the radar sees it, in square metres.
    radius : float
        Distance of the tile's ground from the Earth's centre in metres.
    """

    geometry: ImageGeometry
    grid: LookGrid
    lines: Singles
    samples: Singles
    mask: Codes
    incidence: Singles
    area: Singles
    radius: float


def view_tile(geometry: ImageGeometry, tile: TileHeights, threads: int = 1) -> TileView | None:
    """Find a tile in an image, and the area of its ground.

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
    inner = np.s_[tile.margin : tile.box.height - tile.margin, tile.margin : tile.box.width - tile.margin]
    knots = ground_knots(geometry, *knots_lonlat(tile.box))
    lines, samples = locate_lattice(geometry, knots, STEP, tile.heights, threads)
    grid = look_grid(geometry, lines[inner], samples[inner], LOOKS)
    if grid is None:
        return None
    mask = layover_shadow(geometry, knots, STEP, tile.heights, threads)
    area = illuminated_area(grid, knots, STEP, tile.heights, lines, samples, mask, threads=threads)
    middle = knots.shape[1] // 2, knots.shape[2] // 2
    radius = float(np.linalg.norm(knots[:3, middle[0], middle[1]]) + tile.heights[inner].mean())
    incidence = local_incidence(knots, STEP, tile.heights, threads)
    lines, samples, incidence = (np.ascontiguousarray(values[inner]) for values in (lines, samples, incidence))
    return TileView(geometry, grid, lines, samples, np.ascontiguousarray(mask[inner]), incidence, area, radius)


def terrain_corrected(
    product: Product,
    layers: Sequence[str],
    tile: TileHeights,
    *,
    orbit: StateVectors | None = None,
    remove_noise: bool = True,
    remove_border: bool | None = None,
    tropospheric_delay: bool = True,
    threads: int = 1,
) -> tuple[Mapping[str, Singles], TileView] | None:
    """Bring a product onto a tile's lattice.

    Parameters
    ----------
    product : Product
        The product.
    layers : sequence of str
        Polarizations, the co-polarized one first: its border noise counts for all.
    tile : TileHeights
        The tile's heights, with their margin.
    orbit : StateVectors, optional
        From an orbit file.
    remove_noise : bool
        Subtract thermal noise, unless the processor has done so, or does not know it (IPF 2.36).
    remove_border : bool or None
        Cut border noise; None for products of before IPF 2.90 only.
    tropospheric_delay : bool
        See `ImageGeometry`.
    threads : int
        Threads that work at once.

    Returns
    -------
    dict of str to float32 (rows, columns), and TileView; or None
        Linear terrain-flattened gamma0 by polarization, which may be negative where there is more noise than signal;
        NaN for no data and in shadow. None if the product does not meet the tile.

    Raises
    ------
    SourceError
        If a file is missing or damaged, or the polarizations do not show the same image.
    """
    annotations = [product.annotation(layer) for layer in layers]
    for other in annotations[1:]:
        check_same_image(annotations[0], other)
    geometry = image_geometry(annotations[0], orbit, tropospheric_delay=tropospheric_delay)
    view = view_tile(geometry, tile, threads)
    if view is None:
        return None
    if remove_border is None:
        remove_border = has_border_noise(product)
    betas = _read_beta0(product, annotations, view.grid, remove_noise, remove_border, threads)
    square = square_area(geometry, view.grid, view.radius)
    power = {}
    for layer, beta in zip(layers, betas, strict=True):
        gamma = flattened(beta, view.area, square)
        power[layer] = on_lattice(gamma, view.grid, view.lines, view.samples, threads)
        power[layer][view.mask & 1 > 0] = np.nan
    return power, view


def _read_beta0(
    product: Product,
    annotations: Sequence[Annotation],
    grid: LookGrid,
    remove_noise: bool,
    remove_border: bool,
    threads: int,
) -> list[Singles]:
    """Read the beta0 of squares of every polarization, the co-polarized one first; NaN for no data and border noise."""
    shape = annotations[0].lines, annotations[0].samples
    layers = [annotation.polarization for annotation in annotations]
    noises = [noise_table(product.noise(layer), shape[1]) for layer in layers]
    cut = border_cut(product, layers[0], grid, shape, noises[0]) if remove_border else None

    def read(number: int) -> Singles:
        gain = gain_table(product.calibration(layers[number]).beta, shape[1])
        noise = noises[number] if remove_noise and not annotations[number].noise_removed else None
        power = read_power(product, layers[number], grid, shape, gain, noise)
        if cut is not None:
            power[cut] = np.nan
        return power

    with ThreadPoolExecutor(min(threads, len(layers))) as pool:
        return list(pool.map(read, range(len(layers))))
