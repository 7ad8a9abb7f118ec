"""Small granules with OPERA names, written for tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray

from s1monthly.granule_names import layer_file, parse_granule_id, parse_static_id
from s1monthly.granules import Granule, Layer, StaticGranule

ORIGIN = (399960.0, 3700020.0)
"""Upper-left corner of a granule unless told otherwise: on the 30 m lattice."""


def write_tiff(
    path: Path,
    values: NDArray[np.generic],
    left: float = ORIGIN[0],
    top: float = ORIGIN[1],
    epsg: int | None = 32611,
    resolution: float = 30.0,
) -> Path:
    """Write one layer as OPERA does: DEFLATE, blocks of 512 pixels, NaN no data of power."""
    path.parent.mkdir(parents=True, exist_ok=True)
    profile = {
        "driver": "GTiff",
        "dtype": values.dtype,
        "count": 1,
        "height": values.shape[0],
        "width": values.shape[1],
        "crs": None if epsg is None else f"EPSG:{epsg}",
        "transform": rasterio.Affine(resolution, 0, left, 0, -resolution, top),
        "nodata": 255 if values.dtype == np.uint8 else np.nan,
        "compress": "deflate",
        "tiled": True,
        "blockxsize": 512,
        "blockysize": 512,
    }
    with rasterio.open(path, "w", **profile) as dataset:
        dataset.write(values, 1)
    return path


def write_granule(
    folder: Path,
    layers: Mapping[str, NDArray[np.generic]] | None = None,
    *,
    left: float = ORIGIN[0],
    top: float = ORIGIN[1],
    epsg: int = 32611,
    resolution: float = 30.0,
    burst: str = "T137-292318-IW1",
    acquired: str = "20211119T015854Z",
    processed: str = "20250830T120333Z",
    platform: str = "S1A",
    version: str = "1.0",
) -> Granule:
    """Write a granule and return it with its layers.

    Parameters
    ----------
    folder : Path
    layers : mapping
        Layer name -> (rows, columns): float32 power, or uint8 for ``mask``. Without it VV 0.1 and VH 0.02, 20 x 20.
    left, top, epsg, resolution
        The granule's grid.
    burst, acquired, processed, platform, version
        Parts of its name.
    """
    if layers is None:
        layers = {"VV": np.full((20, 20), 0.1, np.float32), "VH": np.full((20, 20), 0.02, np.float32)}
    granule = parse_granule_id(f"OPERA_L2_RTC-S1_{burst}_{acquired}_{processed}_{platform}_30_v{version}")
    written = []
    for name, values in layers.items():
        path = write_tiff(folder / layer_file(granule.id, name), values, left, top, epsg, resolution)
        written.append(Layer(name, url=str(path), size=path.stat().st_size))
    return replace(granule, layers=tuple(written))


def static_layers(shape: tuple[int, int], seed: int = 0) -> dict[str, NDArray[np.generic]]:
    """Make up static layers: smooth angles, noisy factors, some shadow and layover, three columns of no data."""
    rng = np.random.default_rng(seed)
    incidence = np.broadcast_to(np.linspace(30, 45, shape[1]), shape) + rng.uniform(0, 0.1)
    local = np.clip(incidence + rng.normal(0, 5, shape), 1, 89)
    layers = {
        "incidence_angle": incidence,
        "local_incidence_angle": local,
        "number_of_looks": rng.uniform(2, 6, shape),
        "rtc_anf_gamma0_to_beta0": 1 / np.tan(np.radians(local)),
        "rtc_anf_gamma0_to_sigma0": np.cos(np.radians(local)),
    }
    floats = {name: values.astype(np.float32) for name, values in layers.items()}
    mask = rng.choice(np.array([0, 1, 2, 3], np.uint8), shape, p=[0.9, 0.04, 0.04, 0.02])
    for values in (*floats.values(), mask):
        values[:, :3] = 255 if values is mask else np.nan
    return {**floats, "mask": mask}


def write_static(
    folder: Path,
    layers: Mapping[str, NDArray[np.generic]],
    *,
    left: float = ORIGIN[0],
    top: float = ORIGIN[1],
    epsg: int = 32611,
    resolution: float = 30.0,
    burst: str = "T137-292318-IW1",
    version: str = "1.0",
) -> StaticGranule:
    """Write a static granule and return it with its layers; arguments as for `write_granule`."""
    granule = parse_static_id(f"OPERA_L2_RTC-S1-STATIC_{burst}_20140403_S1A_30_v{version}")
    written = []
    for name, values in layers.items():
        path = write_tiff(folder / layer_file(granule.id, name), values, left, top, epsg, resolution)
        written.append(Layer(name, url=str(path), size=path.stat().st_size))
    return replace(granule, layers=tuple(written))
