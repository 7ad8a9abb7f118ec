"""Rasters on disk: temporary GeoTIFFs between rules, preview pictures, and what their writers share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray

# rasterio lets errors of drivers that write by copying (COG, PNG) through as they are; this is their base class.
from rasterio._err import CPLE_BaseError
from rasterio.enums import Interleaving
from rasterio.errors import RasterioError
from rasterio.io import DatasetWriter

from s1monthly.errors import GridError, ProductError
from s1monthly.files import replacing
from s1monthly.grid.lattice import GeoBox
from s1monthly.raster.geotiff import GDAL_OPTIONS, open_raster, read_window
from s1monthly.raster.header import RasterInput

__all__ = [
    "cog_tags",
    "grid_profile",
    "preview_geobox",
    "read_raster",
    "read_window",
    "refuse_unwritten",
    "write_preview",
    "write_raster",
    "writing",
]

STRIP_ROWS = 64
"""Rows of a strip of temporary rasters: row blocks are read from them without decoding more than is asked for."""

PREVIEW_RESOLUTION = 300.0
"""Pixel size of previews, in units of the CRS; the nearest multiple of the raster's own is used."""


def write_raster(path: str | Path, bands: Iterable[NDArray[Any]], geobox: GeoBox, names: Sequence[str]) -> None:
    """Write a temporary raster: GeoTIFF, uncompressed, band-interleaved, whole or not at all.

    Uncompressed, as it is read once and deleted: a 3660 x 3660 float32 band takes 0.03 s to write and 0.03 s to read;
    with ZSTD level 1 0.06 s each, with its predictor 0.1 s each, for files smaller by 20 and 30 %.

    Parameters
    ----------
    path : path
        Its folder is made where missing.
    bands : iterable of array
        One (rows, columns) array for each name, taken one at a time; a (band, rows, columns) array will do. The type
        of the first is the raster's; for a floating type NaN is declared as no data.
    geobox : GeoBox
        Grid of the bands.
    names : sequence of str
        Band descriptions.

    Raises
    ------
    ProductError
        If the raster cannot be written, for want of space, say.
    """
    with writing(path, durable=False) as temporary:
        options = {"blockysize": min(STRIP_ROWS, geobox.height), "bigtiff": "IF_SAFER"}
        _write_bands(temporary, bands, geobox, names, options)
        refuse_unwritten(temporary)


def read_raster(path: RasterInput) -> tuple[NDArray[Any], GeoBox]:
    """Read a raster as a whole.

    Returns
    -------
    bands : array
        (band, rows, columns), in the raster's own type.
    geobox : GeoBox

    Raises
    ------
    ProductError, GridError
        As `s1monthly.raster.geotiff.open_raster`.
    """
    with open_raster(path) as raster:
        header = raster.header
        bands = np.empty((header.count, *header.geobox.shape), dtype=header.dtype)
        for index in range(header.count):
            bands[index] = raster.read(slice(0, header.geobox.height), slice(0, header.geobox.width), index + 1)
    return bands, header.geobox


def cog_tags(path: str | Path) -> dict[str, str]:
    """Read what a GeoTIFF says of itself; nothing where it is missing or cannot be opened."""
    try:
        with rasterio.Env(**GDAL_OPTIONS), rasterio.open(path, driver="GTiff") as dataset:
            return dict(dataset.tags())
    except RasterioError:
        return {}


def preview_geobox(geobox: GeoBox) -> GeoBox:
    """Return the grid of a raster's preview: its pixels in square blocks of about `PREVIEW_RESOLUTION`.

    The blocks on the lower and right edge may reach beyond the raster.
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
    ratio: NDArray[np.float32],
    geobox: GeoBox,
) -> None:
    """Write the preview picture of a composite, whole or not at all: an RGBA PNG on `preview_geobox`.

    A PNG holds no CRS, and no side file is left: where it lies is said by whoever catalogues it.

    Parameters
    ----------
    path : path
        Its folder is made where missing.
    co_db, cross_db, ratio : array
        (rows, columns) on `geobox`: dB, dB and the ratio of power, NaN where no data; see `previews.preview_rgba`.
    geobox : GeoBox
        Grid of the arrays.

    Raises
    ------
    ProductError
        If the file cannot be written.
    """
    from s1monthly.kernels.preview import preview_rgba  # compiled kernels: only this product needs them

    picture = preview_rgba(co_db, cross_db, ratio, _preview_factor(geobox))
    profile = {"driver": "PNG", "dtype": picture.dtype, "count": len(picture), **grid_profile(preview_geobox(geobox))}
    # Without GDAL's side files the CRS is kept nowhere; it is given because rasterio warns of a raster without one.
    with (
        writing(path) as temporary,
        rasterio.Env(GDAL_PAM_ENABLED="NO"),
        rasterio.open(temporary, "w", **profile) as dataset,
    ):
        dataset.write(picture)


@contextmanager
def writing(path: str | Path, durable: bool = True) -> Iterator[Path]:
    """Give a temporary path as `replacing`, with GDAL's options set and its errors turned into ours."""
    try:
        with replacing(path, durable=durable) as temporary, rasterio.Env(**GDAL_OPTIONS):
            yield temporary
    except (RasterioError, CPLE_BaseError, OSError) as error:
        raise ProductError(
            f"raster {path}: cannot be written ({error.__cause__ or error})",
            "check free space, quota and permissions of its folder, then run again",
        ) from error


def grid_profile(geobox: GeoBox) -> dict[str, Any]:
    """Return the grid in rasterio's words, as `rasterio.open` takes them."""
    return {
        "crs": geobox.crs,
        "transform": rasterio.Affine(*geobox.transform),
        "width": geobox.width,
        "height": geobox.height,
    }


def _write_bands(
    path: Path, bands: Iterable[NDArray[Any]], geobox: GeoBox, names: Sequence[str], options: Mapping[str, Any]
) -> None:
    """Write a GeoTIFF band by band, holding no band but the one at hand; the type is that of the first."""
    profile = {"driver": "GTiff", "count": len(names), "interleave": "band", **grid_profile(geobox), **options}
    with ExitStack() as stack:
        dataset: DatasetWriter | None = None
        for band, name, values in zip(range(1, len(names) + 1), names, bands, strict=True):
            if values.shape != geobox.shape:
                raise GridError(f"raster {path}, band {name}: {values.shape} pixels", f"its grid has {geobox.shape}")
            if dataset is None:
                nodata = np.nan if np.issubdtype(values.dtype, np.floating) else None
                dataset = stack.enter_context(rasterio.open(path, "w", dtype=values.dtype, nodata=nodata, **profile))
            dataset.write(values[np.newaxis], [band])  # a band without its axis would be copied
            dataset.set_band_description(band, name)


def refuse_unwritten(path: Path) -> None:
    """Refuse a GeoTIFF that lacks blocks or whose blocks reach beyond its end.

    On a full disk GDAL can fail to write the last blocks at closing, and tell nobody.
    """
    with rasterio.Env(**GDAL_OPTIONS):
        _refuse_unwritten(path)


def _refuse_unwritten(path: Path) -> None:
    size = path.stat().st_size
    with rasterio.open(path) as dataset:
        bands = dataset.indexes if dataset.interleaving is not Interleaving.pixel else (1,)
        levels = len(dataset.overviews(1))
    for level in (None, *range(levels)):
        options = {} if level is None else {"overview_level": level}
        with rasterio.open(path, **options) as dataset:
            rows, cols = dataset.block_shapes[0]
            blocks = product(bands, range(-(-dataset.width // cols)), range(-(-dataset.height // rows)))
            for band, col, row in blocks:
                offset, length = (
                    dataset.get_tag_item(f"BLOCK_{what}_{col}_{row}", "TIFF", bidx=band) for what in ("OFFSET", "SIZE")
                )
                if not offset or int(offset) + int(length) > size:
                    raise OSError(f"block {col}, {row} of band {band} was not written")
