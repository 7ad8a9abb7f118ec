"""Virtual mosaics: GDAL VRT files that refer to the COGs of the tiles and hold no pixels.

Written as text (https://gdal.org/drivers/raster/vrt.html) with relative paths, so that a tree can be moved with its
mosaics. COGs on another lattice than the mosaic's are first joined in one VRT for each direction and CRS, which a
second VRT warps: neighbouring tiles of a zone form one raster before resampling. These parts lie in a folder beside the
mosaic.

The warp takes the nearest pixel, so every value is one of the product; interpolation by GDAL would average dB. At less
than full resolution, as in viewers, a VRT shows the overviews of the COGs, which are averages of dB: good for viewing,
not for measuring.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

import rasterio

from s1monthly.errors import ProductError
from s1monthly.files import write_text
from s1monthly.grid.lattice import GeoBox
from s1monthly.mosaic.plan import Cog, Label, Mosaic

BLOCK = 512
"""Side of the blocks of a warp, pixels."""

SMALLEST_OVERVIEW = 256
"""Side in pixels that needs no further overview."""

POSITION_ERROR = 0.125
"""Largest error of a position in the warp, pixels; GDAL's own default."""

Source = tuple[Callable[[int], tuple[Path, int]], GeoBox]
"""A raster, as a function that returns file and number of a band (`Cog.source`), and its grid."""


def write_vrt(mosaic: Mosaic, folder: str | Path) -> Path:
    """Write a mosaic as ``{folder}/{name}.vrt``, its parts first; each file is written completely or not at all.

    Parameters
    ----------
    mosaic : Mosaic
        The mosaic to write.
    folder : path
        Created if needed.

    Raises
    ------
    ProductError
        If a file cannot be written.
    """
    path, parts = Path(folder, f"{mosaic.name}.vrt"), Path(folder, f"{mosaic.name}.parts")
    sources: list[Source] = []
    for group in mosaic.groups():
        members: list[Source] = [(cog.source, cog.geobox) for cog in group]
        if mosaic.native(group):
            sources += members
            continue
        own, stem = _union(group), f"{group[0].key.direction}-{group[0].geobox.epsg}"
        _write(parts / f"{stem}.vrt", _gathered(parts, own, mosaic.labels, members))
        _write(parts / f"{stem}-warped.vrt", _warped(f"{stem}.vrt", own, mosaic.geobox, mosaic.labels))
        sources.append((partial(_band_of, parts / f"{stem}-warped.vrt"), mosaic.geobox))
    _write(path, _gathered(path.parent, mosaic.geobox, mosaic.labels, sources, mosaic.tags))
    return path


def _band_of(path: Path, place: int) -> tuple[Path, int]:
    return path, place + 1


def _union(group: Sequence[Cog]) -> GeoBox:
    """Return the grid that contains the COGs of a group, which share one lattice."""
    boxes = [cog.geobox for cog in group]
    left, top = min(box.bounds[0] for box in boxes), max(box.bounds[3] for box in boxes)
    right, bottom = max(box.bounds[2] for box in boxes), min(box.bounds[1] for box in boxes)
    size = boxes[0].resolution
    return GeoBox(boxes[0].epsg, size, left, top, round((right - left) / size), round((top - bottom) / size))


def _write(path: Path, root: ElementTree.Element) -> None:
    ElementTree.indent(root)
    try:
        write_text(path, ElementTree.tostring(root, encoding="unicode") + "\n")
    except OSError as error:
        raise ProductError(
            f"{path}: cannot be written ({error})", "check space and permissions of its folder"
        ) from error


def add_element(
    parent: ElementTree.Element, tag: str, text: object = None, **attributes: object
) -> ElementTree.Element:
    """Add an element with a text and attributes, and return it."""
    element = ElementTree.SubElement(parent, tag, {key: str(value) for key, value in attributes.items()})
    element.text = None if text is None else str(text)
    return element


def _geotransform(box: GeoBox, inverse: bool = False) -> str:
    transform = rasterio.Affine(*box.transform)
    return ", ".join(repr(float(number)) for number in (~transform if inverse else transform).to_gdal())


def _relative(path: Path, folder: Path) -> str:
    # real paths: behind a symbolic link, `..` means the parent of the link's target
    return Path(os.path.relpath(os.path.realpath(path), os.path.realpath(folder))).as_posix()


def dataset_element(box: GeoBox, tags: Mapping[str, str], **attributes: object) -> ElementTree.Element:
    """Return the root element of a VRT, with its grid and tags and without bands."""
    root = ElementTree.Element("VRTDataset", {"rasterXSize": str(box.width), "rasterYSize": str(box.height)})
    root.attrib.update({key: str(value) for key, value in attributes.items()})
    if tags:
        metadata = add_element(root, "Metadata")
        for key, text in tags.items():
            add_element(metadata, "MDI", text, key=key)
    add_element(root, "SRS", box.crs)
    add_element(root, "GeoTransform", _geotransform(box))
    return root


def band_element(root: ElementTree.Element, number: int, label: Label, **attributes: object) -> ElementTree.Element:
    """Add a band, without sources, to a VRT and return its element."""
    band = add_element(root, "VRTRasterBand", dataType="Float32", band=number, **attributes)
    if label.description:
        add_element(add_element(band, "Metadata"), "MDI", label.description, key="long_name")
    add_element(band, "Description", label.name)
    add_element(band, "NoDataValue", "nan")
    add_element(band, "UnitType", label.units)
    return band


def _gathered(
    folder: Path, box: GeoBox, labels: Sequence[Label], sources: Sequence[Source], tags: Mapping[str, str] | None = None
) -> ElementTree.Element:
    """Return a VRT in `folder` of rasters on one lattice, by priority; it uses their overviews."""
    root = dataset_element(box, tags or {})
    for number, label in enumerate(labels, start=1):
        band = band_element(root, number, label)
        for source_of, own in reversed(sources):  # the last one lies on top
            path, within = source_of(number - 1)
            source = add_element(band, "ComplexSource")
            add_element(source, "SourceFilename", _relative(path, folder), relativeToVRT=1)
            add_element(source, "SourceBand", within)
            # with these properties GDAL opens a source only to read its pixels
            size, block = (
                {"RasterXSize": own.width, "RasterYSize": own.height},
                {"BlockXSize": BLOCK, "BlockYSize": BLOCK},
            )
            add_element(source, "SourceProperties", DataType="Float32", **size, **block)
            whole = {"xSize": own.width, "ySize": own.height}
            add_element(source, "SrcRect", xOff=0, yOff=0, **whole)
            columns, rows = (own.left - box.left) / box.resolution, (box.top - own.top) / box.resolution
            add_element(source, "DstRect", xOff=round(columns), yOff=round(rows), **whole)
            add_element(source, "NODATA", "nan")
    factors = [2**n for n in range(1, 20) if max(box.shape) > SMALLEST_OVERVIEW * 2 ** (n - 1)]
    if factors:
        add_element(root, "OverviewList", " ".join(map(str, factors)), resampling="nearest")
    return root


def _warped(source: str, own: GeoBox, target: GeoBox, labels: Sequence[Label]) -> ElementTree.Element:
    """Return a VRT that warps another one in the same folder onto the grid of the mosaic."""
    root = dataset_element(target, {}, subClass="VRTWarpedDataset")
    for number, label in enumerate(labels, start=1):
        band_element(root, number, label, subClass="VRTWarpedRasterBand")
    add_element(root, "BlockXSize", min(BLOCK, target.width))
    add_element(root, "BlockYSize", min(BLOCK, target.height))
    options = add_element(root, "GDALWarpOptions")
    add_element(options, "ResampleAlg", "NearestNeighbour")
    add_element(options, "WorkingDataType", "Float32")
    add_element(options, "Option", "NO_DATA", name="INIT_DEST")
    add_element(options, "Option", "FALSE", name="ERROR_OUT_IF_EMPTY_SOURCE_WINDOW")
    add_element(options, "SourceDataset", source, relativeToVRT=1)
    approximate = add_element(add_element(options, "Transformer"), "ApproxTransformer")
    add_element(approximate, "MaxError", POSITION_ERROR)
    pixels = add_element(add_element(approximate, "BaseTransformer"), "GenImgProjTransformer")
    for side, box in (("Src", own), ("Dst", target)):
        add_element(pixels, f"{side}GeoTransform", _geotransform(box))
        add_element(pixels, f"{side}InvGeoTransform", _geotransform(box, inverse=True))
    projection = add_element(add_element(pixels, "ReprojectTransformer"), "ReprojectionTransformer")
    add_element(projection, "SourceSRS", own.crs)
    add_element(projection, "TargetSRS", target.crs)
    mapping = add_element(options, "BandList")
    for number in range(1, len(labels) + 1):
        pair = add_element(mapping, "BandMapping", src=number, dst=number)
        add_element(pair, "SrcNoDataReal", "nan")
        add_element(pair, "DstNoDataReal", "nan")
    return root
