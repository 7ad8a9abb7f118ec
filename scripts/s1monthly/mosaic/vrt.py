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
from collections.abc import Sequence
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

Source = tuple[Path, GeoBox]
"""A raster and its grid."""


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
        members = [(cog.path, cog.geobox) for cog in group]
        if mosaic.native(group):
            sources += members
            continue
        own, stem = _union(group), f"{group[0].key.direction}-{group[0].geobox.epsg}"
        _write(parts / f"{stem}.vrt", _gathered(parts, own, mosaic.labels, members))
        _write(parts / f"{stem}-warped.vrt", _warped(f"{stem}.vrt", own, mosaic.geobox, mosaic.labels))
        sources.append((parts / f"{stem}-warped.vrt", mosaic.geobox))
    root = _gathered(path.parent, mosaic.geobox, mosaic.labels, sources)
    metadata = ElementTree.Element("Metadata")
    for key, text in mosaic.tags.items():
        _add(metadata, "MDI", text, key=key)
    root.insert(0, metadata)
    _write(path, root)
    return path


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


def _add(parent: ElementTree.Element, tag: str, text: object = None, **attributes: object) -> ElementTree.Element:
    element = ElementTree.SubElement(parent, tag, {key: str(value) for key, value in attributes.items()})
    element.text = None if text is None else str(text)
    return element


def _geotransform(box: GeoBox, inverse: bool = False) -> str:
    transform = rasterio.Affine(*box.transform)
    return ", ".join(repr(float(number)) for number in (~transform if inverse else transform).to_gdal())


def _relative(path: Path, folder: Path) -> str:
    # real paths: behind a symbolic link, `..` means the parent of the link's target
    return Path(os.path.relpath(os.path.realpath(path), os.path.realpath(folder))).as_posix()


def _dataset(box: GeoBox, **attributes: object) -> ElementTree.Element:
    root = ElementTree.Element("VRTDataset", {"rasterXSize": str(box.width), "rasterYSize": str(box.height)})
    root.attrib.update({key: str(value) for key, value in attributes.items()})
    _add(root, "SRS", box.crs)
    _add(root, "GeoTransform", _geotransform(box))
    return root


def _band(root: ElementTree.Element, number: int, label: Label, **attributes: object) -> ElementTree.Element:
    band = _add(root, "VRTRasterBand", dataType="Float32", band=number, **attributes)
    if label.description:
        _add(_add(band, "Metadata"), "MDI", label.description, key="long_name")
    _add(band, "Description", label.name)
    _add(band, "NoDataValue", "nan")
    _add(band, "UnitType", label.units)
    return band


def _gathered(folder: Path, box: GeoBox, labels: Sequence[Label], sources: Sequence[Source]) -> ElementTree.Element:
    """Return a VRT in `folder` of rasters on one lattice, by priority; it uses their overviews."""
    root = _dataset(box)
    for number, label in enumerate(labels, start=1):
        band = _band(root, number, label)
        for path, own in reversed(sources):  # the last one lies on top
            source = _add(band, "ComplexSource")
            _add(source, "SourceFilename", _relative(path, folder), relativeToVRT=1)
            _add(source, "SourceBand", number)
            # with these properties GDAL opens a source only to read its pixels
            size, block = {"RasterXSize": own.width, "RasterYSize": own.height}, {"BlockXSize": 512, "BlockYSize": 512}
            _add(source, "SourceProperties", DataType="Float32", **size, **block)
            whole = {"xSize": own.width, "ySize": own.height}
            _add(source, "SrcRect", xOff=0, yOff=0, **whole)
            columns, rows = (own.left - box.left) / box.resolution, (box.top - own.top) / box.resolution
            _add(source, "DstRect", xOff=round(columns), yOff=round(rows), **whole)
            _add(source, "NODATA", "nan")
    factors = [2**n for n in range(1, 20) if max(box.shape) > SMALLEST_OVERVIEW * 2 ** (n - 1)]
    if factors:
        _add(root, "OverviewList", " ".join(map(str, factors)), resampling="nearest")
    return root


def _warped(source: str, own: GeoBox, target: GeoBox, labels: Sequence[Label]) -> ElementTree.Element:
    """Return a VRT that warps another one in the same folder onto the grid of the mosaic."""
    root = _dataset(target, subClass="VRTWarpedDataset")
    for number, label in enumerate(labels, start=1):
        _band(root, number, label, subClass="VRTWarpedRasterBand")
    _add(root, "BlockXSize", min(BLOCK, target.width))
    _add(root, "BlockYSize", min(BLOCK, target.height))
    options = _add(root, "GDALWarpOptions")
    _add(options, "ResampleAlg", "NearestNeighbour")
    _add(options, "WorkingDataType", "Float32")
    _add(options, "Option", "NO_DATA", name="INIT_DEST")
    _add(options, "Option", "FALSE", name="ERROR_OUT_IF_EMPTY_SOURCE_WINDOW")
    _add(options, "SourceDataset", source, relativeToVRT=1)
    approximate = _add(_add(options, "Transformer"), "ApproxTransformer")
    _add(approximate, "MaxError", POSITION_ERROR)
    pixels = _add(_add(approximate, "BaseTransformer"), "GenImgProjTransformer")
    for side, box in (("Src", own), ("Dst", target)):
        _add(pixels, f"{side}GeoTransform", _geotransform(box))
        _add(pixels, f"{side}InvGeoTransform", _geotransform(box, inverse=True))
    projection = _add(_add(pixels, "ReprojectTransformer"), "ReprojectionTransformer")
    _add(projection, "SourceSRS", own.crs)
    _add(projection, "TargetSRS", target.crs)
    mapping = _add(options, "BandList")
    for number in range(1, len(labels) + 1):
        pair = _add(mapping, "BandMapping", src=number, dst=number)
        _add(pair, "SrcNoDataReal", "nan")
        _add(pair, "DstNoDataReal", "nan")
    return root
