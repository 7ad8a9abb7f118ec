"""Layer files read as their header describes them; files unlike OPERA's refused by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray

from s1monthly.errors import GridError, ProductError, SourceError
from s1monthly.granules import Granule
from s1monthly.sources.layers import open_layer
from support.granules import ORIGIN, write_granule

SHAPE = (20, 30)
HALF = SHAPE[0] // 2
LARGEST = float(np.finfo(np.float32).max)


def halved(value: float, dtype: str = "float32", other: float = 0.1) -> NDArray[Any]:
    """Values of which the upper half is `value`, and the lower half `other`."""
    values = np.full(SHAPE, other, dtype)
    values[:HALF] = value
    return values


def written(folder: Path, layer: str, values: NDArray[Any] | None = None, **profile: Any) -> Granule:
    """Write a granule of one layer, with other pixels and another header where given."""
    ordinary = np.zeros(SHAPE, np.uint8) if layer == "mask" else np.full(SHAPE, 0.1, np.float32)
    granule = write_granule(folder, {layer: ordinary})
    with rasterio.open(granule.layers[0].url) as dataset:
        profile = {**dataset.profile, **profile}
    values = ordinary if values is None else values
    with rasterio.open(granule.layers[0].url, "w", **{**profile, "dtype": values.dtype}) as dataset:
        for band in range(0 if "SPARSE_OK" in profile else dataset.count):
            dataset.write(values, band + 1)
    return granule


def read(granule: Granule) -> NDArray[Any]:
    (layer,) = granule.layers
    with open_layer(granule, layer.name) as file:
        return file.read(slice(0, SHAPE[0]), slice(0, SHAPE[1]))


def refusal(granule: Granule) -> str:
    """Open and read a layer in vain; the message names the file."""
    with pytest.raises((ProductError, GridError)) as caught:
        read(granule)
    assert f"raster {granule.layers[0].url}: " in caught.value.problem
    return caught.value.problem


def changed(granule: Granule, **attributes: Any) -> Granule:
    with rasterio.open(granule.layers[0].url, "r+") as dataset:
        for name, value in attributes.items():
            setattr(dataset, name, value)
    return granule


def masked(granule: Granule, internal: bool) -> Granule:
    """Mask the upper half, in the file or beside it."""
    path = granule.layers[0].url
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=internal), rasterio.open(path, "r+") as dataset:
        dataset.write_mask(halved(0, "uint8", 255))
    assert Path(f"{path}.msk").exists() != internal
    return granule


def described(granule: Granule, xml: str) -> Granule:
    """Describe the band in a file beside the raster."""
    text = f'<PAMDataset><PAMRasterBand band="1">{xml}</PAMRasterBand></PAMDataset>'
    Path(f"{granule.layers[0].url}.aux.xml").write_text(text)
    return granule


def second_picture(granule: Granule) -> Granule:
    with rasterio.open(granule.layers[0].url) as dataset:
        profile, values = dataset.profile, dataset.read(1)
    with rasterio.open(granule.layers[0].url, "w", **profile, APPEND_SUBDATASET=True) as dataset:
        dataset.write(values, 1)
    return granule


# no data

NO_DATA: dict[str, tuple[str, Callable[[Path], Granule]]] = {
    "a value": ("VV", lambda folder: written(folder, "VV", halved(9999), nodata=9999)),
    "a value that 32 bits round": ("VV", lambda folder: written(folder, "VV", halved(0.3), nodata=0.3)),
    "the largest value": ("VV", lambda folder: written(folder, "VV", halved(LARGEST), nodata=LARGEST)),
    "a value of 64 bits": ("VV", lambda folder: written(folder, "VV", halved(1e300, "float64"), nodata=1e300)),
    "a mask inside": ("VV", lambda folder: masked(written(folder, "VV", nodata=None), internal=True)),
    "a mask beside": ("VV", lambda folder: masked(written(folder, "VV", nodata=None), internal=False)),
    "a mask and a value": ("VV", lambda folder: masked(written(folder, "VV", nodata=7), internal=True)),
    "a value beside": (
        "VV",
        lambda folder: described(written(folder, "VV", halved(7), nodata=None), "<NoDataValue>7</NoDataValue>"),
    ),
    "a value, classes": ("mask", lambda folder: written(folder, "mask", halved(254, "uint8", 0), nodata=254)),
    "a mask inside, classes": ("mask", lambda folder: masked(written(folder, "mask", nodata=None), internal=True)),
    "a mask beside, classes": ("mask", lambda folder: masked(written(folder, "mask", nodata=None), internal=False)),
    "a class": ("mask", lambda folder: written(folder, "mask", halved(255, "uint8", 0), nodata=None)),
}


@pytest.mark.parametrize(("layer", "make"), NO_DATA.values(), ids=NO_DATA)
def test_no_data_is_heeded_however_it_is_declared(tmp_path: Path, layer: str, make: Callable[[Path], Granule]) -> None:
    values = read(make(tmp_path))
    expected = halved(255, "uint8", 0) if layer == "mask" else halved(np.nan)
    np.testing.assert_array_equal(values.astype(expected.dtype), expected)


@pytest.mark.parametrize("fill", [-0.01, -0.9, -9999])
def test_power_hardly_below_zero_and_undeclared_fill_values_are_read(tmp_path: Path, fill: float) -> None:
    np.testing.assert_array_equal(read(written(tmp_path, "VV", halved(fill), nodata=None)), halved(fill))


def test_a_colour_table_changes_no_class(tmp_path: Path) -> None:
    classes = np.random.default_rng(3).choice(np.array([0, 1, 2, 3, 255], np.uint8), SHAPE)
    granule = written(tmp_path, "mask", classes, photometric="palette")
    with rasterio.open(granule.layers[0].url, "r+") as raster:
        raster.write_colormap(1, {0: (1, 2, 3, 255), 1: (0, 0, 0, 0)})
    np.testing.assert_array_equal(read(granule), classes)


# what is refused

UNLIKE_OPERA: dict[str, tuple[Callable[[Path, str], Granule], str]] = {
    "int16": (lambda folder, layer: written(folder, layer, halved(9, "int16", 9), nodata=None), "are int16, not"),
    "complex": (lambda folder, layer: written(folder, layer, halved(9, "complex64", 9), nodata=None), "are complex64"),
    "scale": (lambda folder, layer: changed(written(folder, layer), scales=(2.0,)), "declares scale 2 and offset 0"),
    "offset": (lambda folder, layer: changed(written(folder, layer), offsets=(1.0,)), "declares scale 1 and offset 1"),
    "scale beside": (lambda folder, layer: described(written(folder, layer), "<Scale>3</Scale>"), "declares scale 3"),
    "unit": (lambda folder, layer: changed(written(folder, layer), units=("dB",)), "declares the unit dB"),
    "two bands": (lambda folder, layer: written(folder, layer, count=2), "2 bands, not one"),
    "alpha": (lambda folder, layer: written(folder, layer, count=2, alpha="unspecified"), "2 bands, not one"),
    "two pictures": (lambda folder, layer: second_picture(written(folder, layer)), "declares 2 pictures"),
}


@pytest.mark.parametrize("layer", ["VV", "mask"])
@pytest.mark.parametrize(("make", "problem"), UNLIKE_OPERA.values(), ids=UNLIKE_OPERA)
def test_a_layer_unlike_operas_is_refused(
    tmp_path: Path, make: Callable[[Path, str], Granule], problem: str, layer: str
) -> None:
    assert problem in refusal(make(tmp_path, layer))


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        (halved(9, "uint8", 9), "are uint8, not float32"),
        (halved(-3, other=3), "a value of -3, as decibels have"),
        (halved(-10, other=-10), "a value of -10, as decibels have"),
        (halved(np.nan, other=-12.5), "a value of -12.5, as decibels have"),
        (np.vstack([np.full((19, 30), 3, np.float32), np.full((1, 30), -3, np.float32)]), "a value of -3"),
    ],
)
def test_what_is_no_power_is_refused(tmp_path: Path, values: NDArray[Any], problem: str) -> None:
    assert problem in refusal(written(tmp_path, "VV", values, nodata=None))


@pytest.mark.parametrize(
    ("values", "nodata", "problem"),
    [
        *((value, nodata, f"class {value}, which is none") for value, nodata in ((4, None), (100, 255), (254, None))),
        *((0, value, f"the header declares class {value} as no data") for value in range(4)),
    ],
)
def test_a_mask_layer_unlike_operas_is_refused(tmp_path: Path, values: int, nodata: float | None, problem: str) -> None:
    assert problem in refusal(written(tmp_path, "mask", halved(values, "uint8", 0), nodata=nodata))


def test_a_mask_layer_of_power_and_a_missing_layer_are_refused(tmp_path: Path) -> None:
    assert "are float32, not uint8" in refusal(written(tmp_path, "mask", halved(0), nodata=None))
    with pytest.raises(SourceError, match="no layer VH"), open_layer(written(tmp_path, "VV"), "VH"):
        raise AssertionError


def pixels(width: float, left: float = ORIGIN[0], top: float = ORIGIN[1], turn: float = 0) -> dict[str, Any]:
    return {"transform": rasterio.Affine(width, turn, left, turn, -width, top)}


HOSTILE: dict[str, tuple[dict[str, Any], str]] = {
    "more pixels than a burst has": ({"width": 20_000, "height": 20_000, "SPARSE_OK": True}, "too many for a burst"),
    "a block larger than a burst": (
        {"blockxsize": 16384, "blockysize": 16384, "SPARSE_OK": True},
        "blocks of 16384 x 16384, too many",
    ),
    "65,535 bands": ({"count": 65_535, "interleave": "pixel", "SPARSE_OK": True}, "65535 bands, not one"),
    "pixels too large": (pixels(25e3), "too large for a burst"),
    "pixels without size": (pixels(1e-300), "no place"),
    "without end": (pixels(np.inf, 0, 0), "no place on Earth"),
    "nowhere": (pixels(30, np.nan), "no place on Earth"),
    "no size": (pixels(np.nan, 0), "not north-up"),
    "turned": (pixels(30, turn=1), "not north-up"),
}


@pytest.mark.parametrize("layer", ["VV", "mask"])
@pytest.mark.parametrize(("profile", "problem"), HOSTILE.values(), ids=HOSTILE)
def test_a_header_that_cannot_be_is_refused_before_pixels_are_read(
    tmp_path: Path, profile: dict[str, Any], problem: str, layer: str
) -> None:
    assert problem in refusal(written(tmp_path, layer, **profile))
