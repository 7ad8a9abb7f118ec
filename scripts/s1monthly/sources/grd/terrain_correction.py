"""One product on one tile: from digital numbers to terrain-flattened gamma0 on the lattice."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from s1monthly.kernels.grd.flattening import LookGrid, flattened
from s1monthly.kernels.options import RADIOMETRY, Radiometry
from s1monthly.sources.grd.annotation import Annotation, StateVectors, check_same_image
from s1monthly.sources.grd.dem import TileHeights
from s1monthly.sources.grd.image import image_geometry
from s1monthly.sources.grd.measurement import border_cut, has_border_noise, read_power
from s1monthly.sources.grd.product import Product
from s1monthly.sources.grd.radiometry import gain_table, noise_table
from s1monthly.sources.grd.view import TileView, view_tile

Singles = NDArray[np.float32]


def terrain_corrected(
    product: Product,
    layers: Sequence[str],
    tile: TileHeights,
    *,
    radiometry: Radiometry = RADIOMETRY,
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
    radiometry : str
        Quantity of backscatter, as `kernels.radiometry` defines them. The angle of the two on the ellipsoid is that at
        the height of the ground; the processor's tables take a mean height.
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
        Linear power by polarization, which may be negative where there is more noise than signal;
        NaN for no data and in shadow. None if the product does not meet the tile.

    Raises
    ------
    SourceError
        If a file is missing or damaged, pixels are not those of their checksum, or the polarizations do not show the
        same image.
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
    convert = _converted(view, radiometry, threads)
    return {layer: convert(beta) for layer, beta in zip(layers, betas, strict=True)}, view


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
        product.check_pixels(layers[number])
        if cut is not None:
            power[cut] = np.nan
        return power

    with ThreadPoolExecutor(min(threads, len(layers))) as pool:
        return list(pool.map(read, range(len(layers))))


def _converted(view: TileView, radiometry: Radiometry, threads: int) -> Callable[[Singles], Singles]:
    """Return the function from beta0 of squares to a quantity of backscatter on the tile."""
    if radiometry.endswith("_terrain"):
        area = view.area(surface=radiometry == "sigma0_terrain", threads=threads)
        return lambda beta: view.on_tile(flattened(beta, area, view.square, threads), threads)
    if radiometry == "beta0":
        return lambda beta: view.on_tile(beta, threads)
    angle = np.radians(view.incidence(threads=threads))
    factor = np.sin(angle) if radiometry == "sigma0_ellipsoid" else np.tan(angle)
    return lambda beta: view.on_tile(beta, threads) * factor
