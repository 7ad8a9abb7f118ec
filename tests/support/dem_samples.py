"""Made-up DEMs: rasters, tiles of the Copernicus DEM, and lists of tiles."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import rasterio
from rasterio import Affine

from s1monthly.sources.grd.copernicus import tile_name

Plane = Callable[[np.ndarray, np.ndarray], np.ndarray]


def write(
    path: Path, values: np.ndarray, west: float, north: float, step_x: float, step_y: float, epsg: int = 4326
) -> None:
    """Write a raster whose first pixel's centre is given."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(
        path, "w", driver="GTiff", dtype=values.dtype, count=1, height=values.shape[0], width=values.shape[1],
        crs=f"EPSG:{epsg}", transform=Affine(step_x, 0, west - step_x / 2, 0, -step_y, north + step_y / 2),
    ) as dataset:  # fmt: skip
        dataset.write(values, 1)


def write_tile(folder: Path, cell: tuple[int, int], rows: int, columns: int, plane: Plane, seconds: int = 10) -> None:
    """Write a tile of the Copernicus DEM with fewer pixels than real ones; the next tiles' row and column are cut."""
    latitude = cell[0] + 1 - np.arange(rows) / rows
    longitude = cell[1] + np.arange(columns) / columns
    values = plane(longitude[None, :], latitude[:, None]) + np.zeros((rows, columns))
    name = f"{tile_name(cell, seconds)}.tif"
    write(folder / name, values.astype(np.float32), cell[1], cell[0] + 1, 1 / columns, 1 / rows)


def tile_list(missing: set[tuple[int, int]], seconds: int = 10) -> bytes:
    """Return a list of the tiles of all squares but some, with the line ends of the public one."""
    cells = ((latitude, longitude) for latitude in range(-90, 84) for longitude in range(-180, 180))
    return "".join(f"{tile_name(cell, seconds)}\r\n" for cell in cells if cell not in missing).encode()


def write_list(folder: Path, ocean: set[tuple[int, int]], seconds: int = 10) -> None:
    """Write a list of tiles, see `tile_list`."""
    (folder / "tileList.txt").write_bytes(tile_list(ocean, seconds))
