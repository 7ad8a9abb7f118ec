"""Compositing: merge the bursts of a pass into a mosaic, and the passes of a month into a composite with a count.

The two polarizations are composited one by one. ``masking.valid_power`` made the same pixels valid in both, so both
take each pixel from the same bursts, are valid at the same pixels and have the same count.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from s1monthly.errors import S1MonthlyError
from s1monthly.kernels import _compositing as kernels
from s1monthly.kernels.options import (
    COMPOSITE_METHOD,
    COMPOSITE_METHODS,
    LARGEST_TRIM,
    MOSAIC_STRATEGIES,
    TRIM_FRACTION,
)

Power = NDArray[np.float32]
Counts = NDArray[np.uint8]

BLOCK_ROWS = 64
BLOCK_PIXELS = 2**20


class PassMosaic:
    """Mosaic of the bursts of one pass and polarization on one tile.

    Bursts are merged one by one, so memory depends on the tile and not on the number of bursts. Non-finite pixels are
    no data and never affect a valid one.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns of the tile.
    strategy : {"mean", "first", "last"}
        Value where bursts overlap: the mean of the valid powers (summed in float64, so that the order of bursts does
        not matter), or the first or last valid power in the order of adding, which is that of acquisition.

    Raises
    ------
    S1MonthlyError
        For an unknown strategy.
    """

    def __init__(self, shape: tuple[int, int], strategy: str = "mean") -> None:
        if strategy not in MOSAIC_STRATEGIES:
            raise S1MonthlyError(
                f"mosaic strategy {strategy!r} is unknown", f"use one of: {', '.join(MOSAIC_STRATEGIES)}"
            )
        self.shape = shape
        self.strategy = strategy
        if strategy == "mean":
            self._total = np.zeros(shape, np.float64)
            self._number = np.zeros(shape, np.uint16)
        else:
            self._power = np.full(shape, np.nan, np.float32)

    def add(self, window: Power, row: int, col: int) -> None:
        """Merge a burst.

        Parameters
        ----------
        window : array (rows, columns) of float32
            Linear power of the burst's part inside the tile; NaN for no data.
        row, col : int
            Place of the window's first pixel in the tile.

        Raises
        ------
        S1MonthlyError
            If the window does not lie inside the tile.
        """
        rows, cols = window.shape
        if row < 0 or col < 0 or row + rows > self.shape[0] or col + cols > self.shape[1]:
            raise S1MonthlyError(
                f"a burst window of {rows} x {cols} pixels at row {row}, column {col} is not inside the tile of "
                f"{self.shape[0]} x {self.shape[1]}",
                "cut the burst to the tile first",
            )
        window = np.ascontiguousarray(window, dtype=np.float32)
        if self.strategy == "mean":
            kernels.add_window(self._total, self._number, window, row, col)
        else:
            kernels.place(self._power, window, row, col, self.strategy == "last")

    def result(self, out: Power | None = None) -> Power:
        """Return the mosaic of all bursts added so far, in `out` if given: float32 power, NaN for no data."""
        power = np.empty(self.shape, np.float32) if out is None else out
        if self.strategy == "mean":
            kernels.divide(self._total, self._number, power)
        else:
            power[:] = self._power
        return power


def disagreeing(values: NDArray[np.float32], count: Counts, exact: bool) -> int:
    """Count the pixels at which a band contradicts the count of passes.

    Parameters
    ----------
    values : array (rows, columns) of float32
        A band; NaN for no data.
    count : array (rows, columns) of uint8
        Number of valid passes.
    exact : bool
        True: count also pixels with passes but no value. False: count only values without a pass, for bands such as
        textures, which lack values where a pixel has no neighbour.

    Raises
    ------
    S1MonthlyError
        If the shapes differ.
    """
    if values.shape != count.shape:
        raise S1MonthlyError(
            f"a band of shape {values.shape} and a count of shape {count.shape}", "give both on the tile's grid"
        )
    return int(kernels.count_disagreeing(values, count, exact))


def row_blocks(shape: tuple[int, int], passes: int) -> list[slice]:
    """Cut a grid into blocks of rows of at most `BLOCK_PIXELS` pixels over all passes; none without passes."""
    step = max(1, BLOCK_PIXELS // (shape[1] * max(1, passes)))
    return [slice(row, min(row + step, shape[0])) for row in range(0, shape[0] if passes else 0, step)]


def composite(
    passes: NDArray[np.float32] | Sequence[Power],
    method: str = COMPOSITE_METHOD,
    trim_fraction: float = TRIM_FRACTION,
    threads: int = 1,
    areas: NDArray[np.float32] | Sequence[Power] | None = None,
) -> tuple[Power, Counts]:
    """Composite the passes of a month pixel by pixel, in linear power, ignoring no data.

    Parameters
    ----------
    passes : array (pass, rows, columns) of float32, or sequence of arrays (rows, columns)
        Linear power; NaN or infinity for no data. A large grid may be composited in blocks of rows (`row_blocks`).
    method : {"median", "mean", "trimmed_mean", "local_resolution"}
        Statistic of the n valid values of a pixel. For even n the median is the mean of the two middle values. The
        trimmed mean leaves out the k smallest and k largest values, k = floor(trim_fraction x n). By local resolution
        it is sum(x / A) / sum(1 / A), so slopes that face away from the radar, and are seen in detail, count more.
    trim_fraction : float
        Share cut off at each end by the trimmed mean, at least 0 and less than 0.5.
    threads : int
        Number of threads. The result does not depend on it.
    areas : array (pass, rows, columns) of float32, or sequence of arrays (rows, columns), optional
        For local resolution: the area A that each pass illuminates at a pixel, in units of the pixel's area in slant
        range (``rtc_anf_gamma0_to_beta0`` of its track). Where it is not positive and finite, the pass is no data.

    Returns
    -------
    power : array (rows, columns) of float32
        NaN where no pass is valid. Means are summed in float64.
    count : array (rows, columns) of uint8
        Number of valid passes; 255 means 255 or more.

    Raises
    ------
    S1MonthlyError
        For an unknown method, a trim fraction out of range, no passes, passes of different shapes, or areas that are
        missing or of another number or shape.

    References
    ----------
    Trimmed mean: Tukey (1962), The future of data analysis, Annals of Mathematical Statistics 33(1), 1-67,
    doi:10.1214/aoms/1177704711; k is that of ``scipy.stats.trim_mean``.
    Local resolution: Small (2012), SAR backscatter multitemporal compositing via local resolution weighting, IGARSS
    2012, 4521-4524, doi:10.1109/IGARSS.2012.6350465.

    Examples
    --------
    >>> passes = np.stack([first, second, third])  # linear power, NaN for no data
    >>> power, count = composite(passes, "trimmed_mean", trim_fraction=0.2)
    """
    if method not in COMPOSITE_METHODS:
        raise S1MonthlyError(f"composite method {method!r} is unknown", f"use one of: {', '.join(COMPOSITE_METHODS)}")
    if not 0 <= trim_fraction < LARGEST_TRIM:
        remedy = f"use at least 0 and less than {LARGEST_TRIM}"
        raise S1MonthlyError(f"trim fraction {trim_fraction} is out of range", remedy)
    shapes = sorted({np.shape(one) for one in passes})
    if len(shapes) != 1 or len(shapes[0]) != 2:
        raise S1MonthlyError(
            f"a composite needs passes of one shape (rows, columns), not {len(passes)} passes of {shapes}",
            "read at least one pass, all of them on the tile's grid",
        )
    power = np.empty(shapes[0], np.float32)
    count = np.empty(shapes[0], np.uint8)
    chosen = COMPOSITE_METHODS.index(method)
    weighted = _matching_areas(passes, areas) if method == "local_resolution" else None
    stack = np.ascontiguousarray(passes, dtype=np.float32) if isinstance(passes, np.ndarray) else None

    def work(first: int) -> None:
        block = slice(first, first + BLOCK_ROWS)
        if weighted is not None:
            some, around = (np.array([one[block] for one in each], np.float32) for each in (passes, weighted))
            kernels.local_resolution_rows(some, around, power[block], count[block])
        elif stack is None:
            few = np.stack([np.asarray(one[block], dtype=np.float32) for one in passes])
            kernels.composite_rows(few, 0, chosen, trim_fraction, power[block], count[block])
        else:
            kernels.composite_rows(stack, first, chosen, trim_fraction, power[block], count[block])

    blocks = range(0, shapes[0][0], BLOCK_ROWS)
    if threads == 1:
        for first in blocks:
            work(first)
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(work, blocks))
    return power, count


def _matching_areas(
    passes: NDArray[np.float32] | Sequence[Power], areas: NDArray[np.float32] | Sequence[Power] | None
) -> NDArray[np.float32] | Sequence[Power]:
    """Return the areas; raise an error unless there is one for each pass, of the same shape."""
    if areas is None or [np.shape(one) for one in areas] != [np.shape(one) for one in passes]:
        raise S1MonthlyError(
            f"a composite by local resolution of {len(passes)} passes needs as many areas of the same shape, not"
            f" {'none' if areas is None else [np.shape(one) for one in areas]}",
            "give each pass the area factor of its track, on the tile's grid",
        )
    return areas
