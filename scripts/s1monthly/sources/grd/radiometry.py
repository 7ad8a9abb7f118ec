"""From calibration and noise files to the tables that kernels use."""

from __future__ import annotations

import numpy as np

from s1monthly.kernels.grd.calibration import NoiseTable, Table, full_table
from s1monthly.sources.grd.tables import AzimuthBlock, Noise, RangeVectors

FIRST_WITHOUT_BORDER_NOISE = (2, 90)
"""Version of the processor from which products have no border noise."""


def gain_table(vectors: RangeVectors, samples: int) -> Table:
    """Return what squared digital numbers are multiplied by, for every sample of an image.

    Parameters
    ----------
    vectors : RangeVectors
        Calibration vectors of sigma0, beta0 or gamma0.
    samples : int
        Width of the image.
    """
    table = full_table(vectors.lines, vectors.pixels, vectors.values, samples)
    return Table(table.lines, (1 / table.values**2).astype(np.float32))


def noise_table(noise: Noise, samples: int) -> NoiseTable:
    """Return thermal noise in squared digital numbers, for every sample of an image."""
    vectors = noise.range_vectors
    table = full_table(vectors.lines, vectors.pixels, vectors.values, samples)
    factors = [_factors(block) for block in noise.blocks]
    lengths = [len(values) for values in factors]
    return NoiseTable(
        table.lines,
        table.values,
        np.array([(b.first_line, b.last_line, b.first_sample, b.last_sample) for b in noise.blocks], np.int64).reshape(
            -1, 4
        ),
        np.cumsum([0, *lengths[:-1]], dtype=np.int64)[: len(lengths)],
        np.concatenate([*factors, np.zeros(0)]).astype(np.float32),
    )


def _factors(block: AzimuthBlock) -> np.ndarray:
    return np.interp(np.arange(block.first_line, block.last_line + 1), block.lines, block.values)


def above_noise_table(noise: NoiseTable) -> Table:
    """Return a gain by which squared digital numbers become multiples of the noise; 0 where the noise is 0."""
    known = noise.values > 0
    return Table(noise.lines, np.divide(1, noise.values, out=np.zeros_like(noise.values), where=known))
