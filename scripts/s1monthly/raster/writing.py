"""Write temporary GeoTIFFs and preview pictures; what all raster writers share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import product
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
import rasterio
from numpy.typing import NDArray

# rasterio does not convert errors of drivers that write by copying (COG, PNG); this is their base class.
from rasterio._err import CPLE_BaseError
from rasterio.crs import CRS
from rasterio.enums import Interleaving
from rasterio.errors import RasterioError
from rasterio.io import DatasetWriter

from s1monthly.errors import GridError, ProductError
from s1monthly.files import replacing, write_text
from s1monthly.grid.lattice import GeoBox
from s1monthly.raster.geotiff import GDAL_OPTIONS

STRIP_ROWS = 64
"""Rows of a strip in temporary rasters, small enough that reading a row block decodes little more than it."""

PREVIEW_RESOLUTION = 300.0
"""Pixel size of previews in metres; the nearest multiple of the raster's own pixel size is used."""


def write_raster(path: str | Path, bands: Iterable[NDArray[Any]], geobox: GeoBox, names: Sequence[str]) -> None:
    """Write a temporary raster completely or not at all: an uncompressed, band-interleaved GeoTIFF.

    It is uncompressed because it is read once and deleted: a 3660 x 3660 float32 band takes 0.03 s to write and 0.03 s
    to read; with ZSTD level 1 0.06 s each, with a predictor 0.1 s each, for files smaller by 20 and 30 %.

    Parameters
    ----------
    path : path
        File to write; its folder is created if needed.
    bands : iterable of array
        One (rows, columns) array for each name, consumed one at a time; or one (band, rows, columns) array. The first
        determines the type of the raster. A floating type gets NaN as no data.
    names : sequence of str
        Band descriptions.

    Raises
    ------
    ProductError
        If the raster cannot be written, for example because the disk is full.
    """
    with writing(path, durable=False) as temporary:
        _write_bands(temporary, bands, geobox, names)
        refuse_unwritten(temporary)


def _write_bands(path: Path, bands: Iterable[NDArray[Any]], geobox: GeoBox, names: Sequence[str]) -> None:
    """Write a GeoTIFF band by band, with only one in memory."""
    profile = {"driver": "GTiff", "count": len(names), "interleave": "band", "bigtiff": "IF_SAFER"}
    profile |= {"blockysize": min(STRIP_ROWS, geobox.height), **grid_profile(geobox)}
    with ExitStack() as stack:
        dataset: DatasetWriter | None = None
        for band, name, values in zip(range(1, len(names) + 1), names, bands, strict=True):
            if values.shape != geobox.shape:
                raise GridError(f"raster {path}, band {name}: {values.shape} pixels", f"its grid has {geobox.shape}")
            if dataset is None:
                nodata = np.nan if np.issubdtype(values.dtype, np.floating) else None
                dataset = stack.enter_context(rasterio.open(path, "w", dtype=values.dtype, nodata=nodata, **profile))
            dataset.write(values[np.newaxis], [band])  # rasterio would copy a two-dimensional band
            dataset.set_band_description(band, name)


def preview_geobox(geobox: GeoBox) -> GeoBox:
    """Return the grid of a raster's preview, with pixels of about `PREVIEW_RESOLUTION`.

    Each is a square block of pixels; blocks at the lower and right edge may extend beyond the raster.
    """
    factor = _preview_factor(geobox)
    return GeoBox(
        epsg=geobox.epsg,
        resolution=geobox.resolution * factor,
        left=geobox.left,
        top=geobox.top,
        width=-(-geobox.width // factor),
        height=-(-geobox.height // factor),
    )


def _preview_factor(geobox: GeoBox) -> int:
    return max(1, round(PREVIEW_RESOLUTION / geobox.metres_a_pixel))


def write_preview(
    path: str | Path,
    co_db: NDArray[np.float32],
    cross_db: NDArray[np.float32],
    ratio: NDArray[np.float32] | None,
    geobox: GeoBox,
) -> None:
    """Write the preview picture of a composite completely or not at all: an RGBA PNG on `preview_geobox`.

    A PNG holds no CRS, so a side file (`side_file`) tells GDAL and QGIS where it lies.

    Parameters
    ----------
    path : path
        File to write; its folder is created if needed.
    co_db, cross_db, ratio : array
        (rows, columns) on `geobox`: dB, dB and the ratio of power, NaN for no data; without a ratio (None), it is
        computed from both; see `kernels.preview.preview_rgba`.

    Raises
    ------
    ProductError
        If the file cannot be written.
    """
    from s1monthly.kernels.preview import preview_rgba  # compiled kernels: only this product needs them

    picture = preview_rgba(co_db, cross_db, ratio, _preview_factor(geobox))
    profile = {"driver": "PNG", "dtype": picture.dtype, "count": len(picture), **grid_profile(preview_geobox(geobox))}
    # GDAL would name its side file after the temporary one. The CRS is set because rasterio warns about none.
    with writing(path) as temporary:
        with rasterio.Env(GDAL_PAM_ENABLED="NO"), rasterio.open(temporary, "w", **profile) as dataset:
            dataset.write(picture)
        _write_side_file(path, preview_geobox(geobox))


def side_file(path: str | Path) -> Path:
    """Return the path of GDAL's side file of a raster (``.aux.xml``)."""
    return Path(f"{path}.aux.xml")


def _write_side_file(path: str | Path, geobox: GeoBox) -> None:
    """Write a raster's CRS and transform as GDAL's persistent auxiliary metadata (PAM)."""
    a, b, left, d, e, top = geobox.transform
    lines = [
        "<PAMDataset>",
        f"  <SRS>{escape(CRS.from_epsg(geobox.epsg).to_wkt())}</SRS>",
        f"  <GeoTransform>{', '.join(repr(float(value)) for value in (left, a, b, top, d, e))}</GeoTransform>",
        "</PAMDataset>",
    ]
    write_text(side_file(path), "\n".join(lines) + "\n", only_if_changed=True)


@contextmanager
def writing(path: str | Path, durable: bool = True) -> Iterator[Path]:
    """Yield a temporary path as `replacing`, with GDAL's options set, and turn GDAL's errors into a ProductError."""
    try:
        with replacing(path, durable=durable) as temporary, rasterio.Env(**GDAL_OPTIONS):
            yield temporary
    except (RasterioError, CPLE_BaseError, OSError) as error:
        raise ProductError(
            f"raster {path}: cannot be written ({error.__cause__ or error})",
            "check free space, quota and permissions of its folder, then run again",
        ) from error


def grid_profile(geobox: GeoBox) -> dict[str, Any]:
    """Return the grid as the keyword arguments that `rasterio.open` takes."""
    return {
        "crs": geobox.crs,
        "transform": rasterio.Affine(*geobox.transform),
        "width": geobox.width,
        "height": geobox.height,
    }


def refuse_unwritten(path: Path) -> None:
    """Raise OSError if a GeoTIFF lacks blocks or if blocks extend beyond its end.

    On a full disk GDAL can fail to write the last blocks on closing without reporting an error.
    """
    size = path.stat().st_size
    with ExitStack() as stack:
        stack.enter_context(rasterio.Env(**GDAL_OPTIONS))
        datasets = [stack.enter_context(rasterio.open(path))]
        for level in range(len(datasets[0].overviews(1))):
            datasets.append(stack.enter_context(rasterio.open(path, overview_level=level)))
        bands = datasets[0].indexes if datasets[0].interleaving is not Interleaving.pixel else (1,)
        for dataset in datasets:
            rows, cols = dataset.block_shapes[0]
            blocks = product(bands, range(-(-dataset.width // cols)), range(-(-dataset.height // rows)))
            for band, col, row in blocks:
                offset, length = (
                    dataset.get_tag_item(f"BLOCK_{what}_{col}_{row}", "TIFF", bidx=band) for what in ("OFFSET", "SIZE")
                )
                if not offset or int(offset) + int(length) > size:
                    raise OSError(f"block {col}, {row} of band {band} was not written")
