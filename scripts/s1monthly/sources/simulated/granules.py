"""Write simulated granules: a burst of the scene with speckle, in files like those of OPERA RTC-S1."""

from __future__ import annotations

import hashlib
import math
import os
import tempfile
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import rasterio
from numba import njit
from shapely.geometry import Polygon

from s1monthly.files import replacing
from s1monthly.granules import Burst, BurstGranule, Granule, StaticGranule
from s1monthly.grid.lattice import GeoBox
from s1monthly.grid.orbit import orbit_direction, utm_epsg, utm_footprint
from s1monthly.model import Polarization
from s1monthly.raster.geotiff import GDAL_OPTIONS
from s1monthly.sources.simulated.ground import Integers, Power
from s1monthly.sources.simulated.scene import Scene

SPACING = 30
"""Pixel spacing of a granule in metres."""
LOOKS = 4
"""Number of looks of the speckle."""
BLOCK = 512

_KEPT_BITS = 12
"""Bits of the mantissa that are written, 1.2e-4 of the value: finer steps are lost in speckle and slow DEFLATE down."""


@lru_cache(maxsize=64)
def burst_geobox(burst: Burst) -> GeoBox:
    """Return the grid of a burst's granule: its footprint's UTM bounds, grown to multiples of `SPACING`."""
    left, bottom, right, top = (bound / SPACING for bound in utm_footprint(burst).bounds)
    first_column, first_row = math.floor(left), math.ceil(top)
    return GeoBox(
        epsg=utm_epsg(burst),
        resolution=float(SPACING),
        left=float(first_column * SPACING),
        top=float(first_row * SPACING),
        width=math.ceil(right) - first_column,
        height=first_row - math.floor(bottom),
    )


def footprint_spans(footprint: Polygon, geobox: GeoBox) -> Integers:
    """Return the columns whose pixel centres lie within a footprint.

    Parameters
    ----------
    footprint : Polygon
        In the raster's CRS; it must meet each row of pixel centres in one piece, as every burst's does.

    Returns
    -------
    ndarray of int64, (rows, 2)
        First and past-the-last column of each row; both 0 in rows without any.
    """
    x, y = np.asarray(footprint.exterior.coords).T
    lines = geobox.top - (np.arange(geobox.height) + 0.5) * geobox.resolution
    low, high = np.full(geobox.height, np.inf), np.full(geobox.height, -np.inf)
    for x0, y0, x1, y1 in zip(x[:-1], y[:-1], x[1:], y[1:], strict=True):
        crossed = (lines >= min(y0, y1)) & (lines < max(y0, y1))
        at = x0 + (lines[crossed] - y0) * (x1 - x0) / (y1 - y0) if y0 != y1 else lines[crossed]
        low[crossed] = np.minimum(low[crossed], at)
        high[crossed] = np.maximum(high[crossed], at)
    spans = np.zeros((geobox.height, 2), np.int64)
    met = low <= high
    columns = (np.column_stack([low, high])[met] - geobox.left) / geobox.resolution - 0.5
    spans[met] = np.clip(np.ceil(columns), 0, geobox.width)
    return spans


@njit(cache=True, nogil=True, error_model="numpy")
def _speckle(power: Power, spans: Integers, key: np.uint64, looks: int, dropped: int) -> None:
    """Multiply by gamma-distributed speckle of mean 1, in place, and round the mantissa.

    Multilook intensity is gamma distributed with as many degrees as looks (Ulaby, Moore & Fung 1986, Microwave Remote
    Sensing III). For a whole number of looks it is the mean of as many exponential variables, that is, the logarithm of
    a product of uniform ones. These are hashed from the pixel's index (SplitMix64), two from each 64 bits.
    """
    width = power.shape[1]
    flat = power.view(np.uint32)
    half, keep = np.uint32(1 << (dropped - 1)), np.uint32(0xFFFFFFFF << dropped & 0xFFFFFFFF)
    for r in range(spans.shape[0]):
        for c in range(spans[r, 0], spans[r, 1]):
            product = 1.0
            for pair in range((looks + 1) // 2):
                state = key + np.uint64((r * width + c) * looks + pair) * np.uint64(0x9E3779B97F4A7C15)
                state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
                state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
                state ^= state >> np.uint64(31)
                product *= (float(state >> np.uint64(32)) + 0.5) * 2.0**-32
                if 2 * pair + 1 < looks:
                    product *= (float(state & np.uint64(0xFFFFFFFF)) + 0.5) * 2.0**-32
            power[r, c] *= -math.log(product) / looks
            if not math.isnan(power[r, c]):
                flat[r, c] = (flat[r, c] + half) & keep


def _key(seed: int, granule: Granule, layer: str) -> np.uint64:
    digest = hashlib.blake2b(f"{seed}/{granule.id}/{layer}".encode(), digest_size=8).digest()
    return np.uint64(int.from_bytes(digest, "little"))


def simulate(scene: Scene, granule: BurstGranule, polarization: Polarization) -> dict[str, npt.NDArray[np.generic]]:
    """Return the layers of a granule on its `burst_geobox`.

    Parameters
    ----------
    scene : Scene
        World to show; its seed is also the seed of the speckle.

    Returns
    -------
    dict of str to ndarray, (rows, columns)
        Both backscatter layers, float32 linear power, NaN in radar shadow and outside the footprint; ``mask``, uint8: 0
        valid, 1 shadow, 2 layover, 3 both, 255 outside. Speckle is independent between layers and between granules.
    """
    geobox = burst_geobox(granule.burst)
    spans = footprint_spans(utm_footprint(granule.burst), geobox)
    painting = scene.paint(geobox, granule.acquired, orbit_direction(granule.burst), polarization, spans)
    backscatter = dict(zip(polarization.layers, (painting.co, painting.cross), strict=True))
    for name, power in backscatter.items():
        _speckle(power, spans, _key(scene.seed, granule, name), LOOKS, 23 - _KEPT_BITS)
    return {**backscatter, "mask": painting.mask}


def tags_of(granule: Granule | StaticGranule) -> dict[str, str]:
    """Return tags as OPERA's files have them, with what is true of a simulated granule."""
    return {
        "INSTITUTION": "none: simulated by s1monthly",
        "BEAM_ID": granule.id.split("_")[3].split("-")[-1],
        "INPUTS_DEM_SOURCE": "relief of the simulation",
        "INPUTS_ORBIT_FILES": "none: the orbit is simulated",
        "INPUTS_L1_SLC_GRANULES": "none: simulated",
        "PROCESSING_INFORMATION_NOISE_CORRECTION_APPLIED": "False",
        "PROCESSING_INFORMATION_NOISE_REMOVAL_ALGORITHM_REFERENCE": "none: thermal noise is not simulated",
    }


def write_layers(
    folder: Path,
    geobox: GeoBox,
    layers: Mapping[str, npt.NDArray[np.generic]],
    tags: Mapping[str, str] | None = None,
) -> None:
    """Write files of a granule, by name, atomically, with the tiling and compression of OPERA's.

    They are made in a hidden folder beside `folder` that belongs to this call, so that any number of threads, processes
    and machines may make the same granule at once.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".", dir=folder.parent) as own:
        for name, values in layers.items():
            made = Path(own, name)
            with replacing(made) as temporary:
                _write_layer(temporary, values, geobox, tags or {})
            os.replace(made, folder / made.name)


def _write_layer(path: Path, values: npt.NDArray[np.generic], geobox: GeoBox, tags: Mapping[str, str]) -> None:
    with (
        rasterio.Env(**GDAL_OPTIONS),
        rasterio.open(
            path,
            "w",
            driver="GTiff",
            dtype=values.dtype,
            count=1,
            height=geobox.height,
            width=geobox.width,
            crs=geobox.crs,
            transform=rasterio.Affine(*geobox.transform),
            nodata=255 if values.dtype == np.uint8 else np.nan,
            compress="DEFLATE",
            zlevel=1,
            tiled=True,
            blockxsize=BLOCK,
            blockysize=BLOCK,
        ) as dataset,
    ):
        dataset.write(values, 1)
        dataset.update_tags(**tags)
