"""Calibration and noise of an image, as its XML gives them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from s1monthly.sources.grd.annotation import MOST_SAMPLES
from s1monthly.sources.grd.elements import Element, parse_xml

Floats = NDArray[np.float64]

_LARGEST = 1e9  # no value of a table is larger
_WIDEST = 4.0  # largest over smallest value of a calibration table; at most 1.8 in real products


@dataclass(frozen=True, eq=False)
class RangeVectors:
    """Values at some samples of some lines; linear in between.

    Attributes
    ----------
    lines : float64 (vector,)
        Increasing; they need not lie within the image.
    pixels : tuple of float64 (value,)
        Samples of each vector, increasing.
    values : tuple of float64 (value,)
        Values at these samples.
    """

    lines: Floats
    pixels: tuple[Floats, ...]
    values: tuple[Floats, ...]


@dataclass(frozen=True, eq=False)
class AzimuthBlock:
    """Factors along the lines of one sub-swath, for the samples of a block.

    Attributes
    ----------
    first_line, last_line, first_sample, last_sample : int
        Bounds of the block, all inclusive.
    lines, values : float64 (value,)
        Factors at some lines; linear in between.
    """

    first_line: int
    last_line: int
    first_sample: int
    last_sample: int
    lines: Floats
    values: Floats


@dataclass(frozen=True, eq=False)
class Calibration:
    """Tables by which digital numbers become backscatter: power is (digital number / table)^2.

    Attributes
    ----------
    polarization : str
        HH, HV, VV or VH.
    sigma, beta, gamma : RangeVectors
        Tables of sigma0, beta0 and gamma0 over the ellipsoid.
    """

    polarization: str
    sigma: RangeVectors
    beta: RangeVectors
    gamma: RangeVectors


@dataclass(frozen=True, eq=False)
class Noise:
    """Thermal noise, in squared digital numbers: the range vectors times the blocks' factors.

    Attributes
    ----------
    polarization : str
        HH, HV, VV or VH.
    range_vectors : RangeVectors
        Noise at some samples of some lines.
    blocks : tuple of AzimuthBlock
        Empty before IPF 2.90, and for stripmap.
    """

    polarization: str
    range_vectors: RangeVectors
    blocks: tuple[AzimuthBlock, ...]

    @property
    def known(self) -> bool:
        """False if all values are zero, as from IPF 2.36: noise cannot then be removed."""
        return any(values.any() for values in self.range_vectors.values)


def parse_calibration(content: bytes, file: str) -> Calibration:
    """Parse a calibration file; errors are those of `parse_annotation`.

    ``absoluteCalibrationConstant`` and ``dn`` are not read: the tables contain the constant already.
    """
    root = parse_xml(content, file, "calibration")
    vectors = root.counted("calibrationVectorList", "calibrationVector")
    tables = [_range_vectors(vectors, name, least=1.0, largest=1e5) for name in ("sigmaNought", "betaNought", "gamma")]
    for name, table in zip(("sigmaNought", "betaNought", "gamma"), tables, strict=True):
        least, most = min(values.min() for values in table.values), max(values.max() for values in table.values)
        if most > _WIDEST * least:
            root.fail(
                f"holds {name} of {least:g} and of {most:g}: these belong to no one image", "calibrationVectorList"
            )
    return Calibration(_polarization(root), *tables)


def parse_noise(content: bytes, file: str) -> Noise:
    """Parse a noise file, of before or since IPF 2.90; errors are those of `parse_annotation`."""
    root = parse_xml(content, file, "noise")
    if root.optional("noiseVectorList") is not None:
        vectors = root.counted("noiseVectorList", "noiseVector")
        return Noise(_polarization(root), _range_vectors(vectors, "noiseLut", least=0.0), ())
    vectors = root.counted("noiseRangeVectorList", "noiseRangeVector")
    blocks = root.counted("noiseAzimuthVectorList", "noiseAzimuthVector", least=0)
    return Noise(
        _polarization(root),
        _range_vectors(vectors, "noiseRangeLut", least=0.0),
        tuple(_azimuth_block(block) for block in blocks),
    )


def _polarization(root: Element) -> str:
    return root.choice("adsHeader/polarisation", ("HH", "HV", "VV", "VH"))


def _range_vectors(vectors: Sequence[Element], name: str, least: float, largest: float = _LARGEST) -> RangeVectors:
    lines = np.array([vector.number("line", -MOST_SAMPLES, MOST_SAMPLES) for vector in vectors])
    for before, after, vector in zip(lines, lines[1:], vectors[1:], strict=False):
        if not before < after:
            vector.fail(f"is {after:g}, not above the {before:g} before", "line")
    pixels, values = [], []
    for vector in vectors:
        at = _increasing(vector, "pixel")
        pixels.append(at)
        values.append(vector.numbers(name, least, largest, len(at)))
    return RangeVectors(lines, tuple(pixels), tuple(values))


def _increasing(vector: Element, name: str) -> Floats:
    found = vector.numbers(name, -MOST_SAMPLES, MOST_SAMPLES)
    if not (found[1:] > found[:-1]).all():
        vector.fail("does not increase", name)
    return found


def _azimuth_block(block: Element) -> AzimuthBlock:
    first_line, last_line, first_sample, last_sample = (
        block.whole(name, 0, MOST_SAMPLES)
        for name in ("firstAzimuthLine", "lastAzimuthLine", "firstRangeSample", "lastRangeSample")
    )
    if last_line < first_line or last_sample < first_sample:
        block.fail(f"is empty: lines {first_line} to {last_line}, samples {first_sample} to {last_sample}")
    lines = _increasing(block, "line")
    values = block.numbers("noiseAzimuthLut", 0, 1000, len(lines))
    return AzimuthBlock(first_line, last_line, first_sample, last_sample, lines, values)
