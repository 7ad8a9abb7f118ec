"""Textures of a band: metrics of the grey-level co-occurrence matrix (GLCM) in a window around every valid pixel."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from s1monthly.errors import S1MonthlyError
from s1monthly.kernels.options import TEXTURE_METRICS, TextureOptions
from s1monthly.kernels.pixel_pairs import offset

Values = NDArray[np.float32]

TEXTURE_MARK = "_glcm_"
"""Part of the name of every texture band, and of no other band."""

BLOCK_ROWS = 64  # an even number: the kernel takes rows in twos


def texture_names(band: str, options: TextureOptions) -> tuple[str, ...]:
    """Return the names of a band's textures, in the order of `textures`: ``VV_dB`` -> ``VV_glcm_contrast``, ...

    Raises
    ------
    S1MonthlyError
        If the band is not in dB.
    """
    polarization = band.removesuffix("_dB")
    if polarization == band:
        raise S1MonthlyError(f"textures of {band} are not defined", "name a band of decibels, such as VV_dB")
    return tuple(f"{polarization}{TEXTURE_MARK}{suffix}" for suffix in options.suffixes)


def valid_range(metric: str, levels: int) -> tuple[float, float]:
    """Return the smallest and largest possible value of a metric, as float32."""
    low, high = {
        "contrast": (0.0, (levels - 1.0) ** 2),
        "homogeneity": (1.0 / (1.0 + (levels - 1.0) ** 2), 1.0),
        "entropy": (0.0, 2.0 * math.log(levels)),
        "correlation": (-1.0, 1.0),
    }[metric]
    return float(np.float32(low)), float(np.float32(high))


def textures(
    db: Values, low: float, high: float, options: TextureOptions, threads: int = 1
) -> Iterator[tuple[str, Values]]:
    """Compute the textures of a band.

    Each pixel gets the metrics of the co-occurrence matrix of the window around it, clipped at the edge of the array.
    The matrix counts the pairs of valid pixels at a given offset inside the window: p(i, j) is the share of pairs whose
    first pixel has level i and whose second has level j. It is not made symmetric.

    - Level of x dB: floor(levels (x - low) / (high - low)), in float64. Bins have equal width and include their lower
      edge. Values below ``low`` get the first level; ``high`` and values above it get the last.
    - Contrast: sum of p (i - j)^2. Homogeneity: sum of p / (1 + (i - j)^2). Entropy: - sum of p ln p over p > 0.
    - Correlation: sum of p (i - mean_i) (j - mean_j) / (std_i std_j), with means and standard deviations of the first
      and of the second pixels; 1 if one of the deviations is zero, which is decided in exact integers.

    Results equal ``skimage.feature.graycomatrix(..., symmetric=False, normed=True)`` and ``graycoprops`` for the
    window's levels. Before rounding to float32, contrast and correlation come from exact sums, homogeneity is within
    6e-8 of its value, and entropy within 1e-9.

    Parameters
    ----------
    db : array (rows, columns) of float32
        Decibels; NaN or infinity for no data. Pairs with a pixel of no data are ignored.
    low, high : float
        Range in dB that the levels divide; low < high, both finite.
    options : TextureOptions
        Metrics, window, pairs and levels.
    threads : int
        Number of threads. The result does not depend on it.

    Yields
    ------
    name : str
        Name from ``options.suffixes``, in their order.
    values : array (rows, columns) of float32
        NaN where ``db`` has no data or the window has no valid pair. A mean is taken over the angles that have pairs.
        Without averaging, one angle is computed at a time.

    Raises
    ------
    S1MonthlyError
        If the array is not two-dimensional, the range is empty or not finite, or `threads` is below 1.

    References
    ----------
    Haralick, Shanmugam and Dinstein (1973), Textural features for image classification, IEEE Transactions on Systems,
    Man, and Cybernetics SMC-3(6), 610-621, doi:10.1109/TSMC.1973.4309314: the matrix, and its features f2 (contrast),
    f3 (correlation), f5 (inverse difference moment, here homogeneity) and f9 (entropy). Exact definitions, direction
    of angles and the correlation 1 of a flat window: scikit-image 0.26, ``skimage.feature``.

    Examples
    --------
    >>> options = TextureOptions(metrics=("contrast", "entropy"), window_size=7)
    >>> found = dict(textures(vv_db, -25.0, 0.0, options, threads=4))
    >>> found["contrast"]
    """
    db = np.ascontiguousarray(db, dtype=np.float32)
    if db.ndim != 2:
        raise S1MonthlyError(f"textures of an array of {db.ndim} dimensions", "pass one band (rows, columns)")
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise S1MonthlyError(f"texture levels from {low} to {high} dB", "give a lower and an upper end, in this order")
    if threads < 1:
        raise S1MonthlyError(f"textures with {threads} threads", "use at least 1")
    return _textures(db, float(low), float(high), options, threads)


def _textures(
    db: Values, low: float, high: float, options: TextureOptions, threads: int
) -> Iterator[tuple[str, Values]]:
    # Imported late: numba loads slowly, and many jobs need only the names of textures.
    from s1monthly.kernels import _texture as kernels

    rows, cols = db.shape
    half = options.window_size // 2
    levels = np.full((rows + 2 * half + 1, cols + 2 * half), kernels.NOTHING, np.uint8)
    logs, steps = kernels.count_logs(options.window_size**2)
    place = np.array([options.metrics.index(metric) if metric in options.metrics else -1 for metric in TEXTURE_METRICS])
    offsets = np.array([offset(options.distance, angle) for angle in options.angles])
    names = iter(options.suffixes)
    with ThreadPoolExecutor(threads) as pool:

        def run(kernel: Callable[..., None], *arguments: object) -> None:
            blocks = [(first, min(first + BLOCK_ROWS, rows)) for first in range(0, rows, BLOCK_ROWS)]
            for finished in [pool.submit(kernel, *block, *arguments) for block in blocks]:
                finished.result()

        run(kernels.quantise, db, low, high, options.levels, half, levels)
        for some in [offsets] if options.average_angles else offsets[:, None]:
            made = np.empty((len(options.metrics), rows, cols), np.float32)
            run(kernels.texture_rows, levels, options.levels, half, some, logs, steps, place, made)
            yield from zip(islice(names, len(made)), made, strict=True)
