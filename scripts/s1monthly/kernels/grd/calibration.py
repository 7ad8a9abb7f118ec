"""From digital numbers to backscatter: calibration, thermal noise, and the mean of looks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from s1monthly.errors import S1MonthlyError

Counts = NDArray[np.uint16]
Singles = NDArray[np.float32]
Floats = NDArray[np.float64]
Whole = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Table:
    """A value for every sample of some lines; linear between the lines, constant beyond them.

    Attributes
    ----------
    lines : float64 (vector,)
        Increasing.
    values : float32 (vector, samples)
        Values.
    """

    lines: Floats
    values: Singles


@dataclass(frozen=True, eq=False)
class NoiseTable(Table):
    """Thermal noise in squared digital numbers.

    Attributes
    ----------
    bounds : int64 (block, 4)
        First and last line, first and last sample of the blocks of azimuth factors, inclusive. Pixels outside of all
        blocks have the factor 1.
    starts : int64 (block,)
        Where the factors of each block begin.
    factors : float32
        Factors for every line of every block, one block after the other.
    """

    bounds: Whole = field(default_factory=lambda: np.zeros((0, 4), np.int64))
    starts: Whole = field(default_factory=lambda: np.zeros(0, np.int64))
    factors: Singles = field(default_factory=lambda: np.zeros(0, np.float32))


def full_table(lines: Floats, pixels: Sequence[Floats], values: Sequence[Floats], samples: int) -> Table:
    """Interpolate vectors, each with its own samples, to every sample of an image."""
    every = np.arange(samples)
    rows = [np.interp(every, at, vector) for at, vector in zip(pixels, values, strict=True)]
    return Table(np.ascontiguousarray(lines, np.float64), np.array(rows, np.float32))


def mean_power(
    counts: Counts, first_line: int, first_sample: int, gain: Table, noise: NoiseTable | None, looks: int
) -> Singles:
    """Calibrate a window of an image and average it over squares of pixels.

    Noise is subtracted before averaging and negative power is kept: the mean of a dark scene is unbiased. Pixels with
    the digital number 0 are no data; this is decided before noise is subtracted.

    Parameters
    ----------
    counts : uint16 (rows, columns)
        Digital numbers.
    first_line, first_sample : int
        Place of the window in the image.
    gain : Table
        What a squared digital number is multiplied by: 1 / (calibration vector)^2.
    noise : NoiseTable or None
        Noise to subtract, for the whole width of the image.
    looks : int
        Side of the squares in pixels.

    Returns
    -------
    float32 (rows // looks, columns // looks)
        Linear power, which may be negative; NaN where less than half of a square's pixels are valid.

    Raises
    ------
    S1MonthlyError
        If the window reaches beyond the tables.
    """
    from s1monthly.kernels.grd._looks import mean_power as fill  # imported late: loading the compiled code is slow

    rows, columns = counts.shape[0] // looks, counts.shape[1] // looks
    least = min(table.values.shape[1] for table in (gain, noise) if table is not None)
    if first_sample < 0 or first_sample + columns * looks > least:
        raise S1MonthlyError(
            f"samples {first_sample} to {first_sample + columns * looks - 1} reach beyond the {least} of the tables",
            "pass a window of the image, and tables for its whole width",
        )
    used = noise or NoiseTable(np.zeros(0), np.zeros((0, 0), np.float32))
    power = np.empty((rows, columns), np.float32)
    fill(
        counts, first_line, first_sample, gain.lines, gain.values, used.lines, used.values, used.bounds, used.starts,
        used.factors, looks, power,
    )  # fmt: skip
    return power
