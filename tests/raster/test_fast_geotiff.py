"""Headers and rows of GeoTIFFs read without GDAL: as with it, whatever the file is like; and the same errors."""

from __future__ import annotations

import re
import struct
import tracemalloc
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.crs import CRS
from rasterio.io import MemoryFile

from s1monthly.errors import GridError, ProductError
from s1monthly.grid.lattice import GeoBox
from s1monthly.raster.fast_geotiff import open_header, read_usual, row_reader
from s1monthly.raster.geotiff import crop, open_raster
from s1monthly.raster.header import RasterHeader
from s1monthly.raster.tiff_header import Field, first_directory, header, long_field
from s1monthly.raster.writing import write_raster

BOX = GeoBox(epsg=32610, resolution=30.0, left=499980.0, top=4200000.0, width=70, height=150)

LAYOUTS: dict[str, tuple[bool, dict[str, Any]]] = {
    "strips": (True, {"blockysize": 64}),
    "strips of one row": (True, {"blockysize": 1}),
    "one strip": (True, {"blockysize": 150}),
    "bands one after the other": (True, {"count": 2, "interleave": "band"}),
    "bands pixel by pixel": (False, {"count": 2, "interleave": "pixel"}),
    "bands pixel by pixel, one strip": (False, {"count": 2, "interleave": "pixel", "blockysize": 150}),
    "compressed": (False, {"compress": "deflate"}),
    "compressed, one strip": (False, {"compress": "deflate", "blockysize": 150}),
    "tiled": (False, {"tiled": True, "blockxsize": 64, "blockysize": 64}),
    "big-endian": (False, {"ENDIANNESS": "BIG"}),
    "never written": (False, {"SPARSE_OK": True}),
}


def written(path: Path, dtype: str = "float32", empty: bool = False, **options: Any) -> np.ndarray:
    values = np.random.default_rng(3).uniform(0, 120, BOX.shape).astype(dtype)
    profile = {
        "driver": "GTiff",
        "width": BOX.width,
        "height": BOX.height,
        "count": 1,
        "dtype": dtype,
        "crs": "EPSG:32610",
    }
    profile = {**profile, "transform": Affine(*BOX.transform), **options}
    with rasterio.open(path, "w", **profile) as raster:
        for band in range(0 if empty else raster.count):
            raster.write(values + np.array(band, dtype), band + 1)
    return np.zeros_like(values) if empty else values


def told_by_gdal(path: Path) -> RasterHeader:
    with open_raster(path) as raster:
        return raster.header


FORMS: dict[str, tuple[bool, dict[str, Any]]] = {
    "as OPERA has it": (True, {"nodata": np.nan, "compress": "deflate", "predictor": 3, "tiled": True}),
    "mask": (True, {"dtype": "uint8", "nodata": 255}),
    "southern zone": (True, {"crs": "EPSG:32760"}),
    "big-endian": (False, {"ENDIANNESS": "BIG"}),
    "BigTIFF": (False, {"BIGTIFF": "YES"}),
    "another type": (False, {"dtype": "int16"}),
    "floats of 64 bits": (False, {"dtype": "float64"}),
    "another value of no data": (False, {"nodata": -9999}),
    "longitude and latitude": (False, {"crs": "EPSG:4326", "transform": Affine(0.1, 0, 7, 0, -0.1, 50)}),
    "another projection": (False, {"crs": "EPSG:3035"}),
    "pixels as points": (False, {"AREA_OR_POINT": "Point"}),
    "with a height": (False, {"crs": "EPSG:32610+5773"}),
    "without a code": (False, {"crs": CRS.from_proj4("+proj=tmerc +lon_0=-121.5 +x_0=500000 +datum=WGS84")}),
    "upside down": (False, {"transform": Affine(30, 0, 499980, 0, 30, 4200000)}),
    "oblong pixels": (False, {"transform": Affine(30, 0, 499980, 0, -60, 4200000)}),
    "turned": (False, {"transform": Affine(30, 2, 499980, 2, -30, 4200000)}),
    "nowhere": (False, {"crs": None, "transform": Affine.identity()}),
}


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize("form", FORMS)
def test_a_header_is_read_as_by_gdal_and_left_to_it_where_it_is_not_of_the_usual_form(
    tmp_path: Path, form: str
) -> None:
    usual, options = FORMS[form]
    tags = {name: options[name] for name in options if name == "AREA_OR_POINT"}
    written(tmp_path / "a.tif", **{"dtype": "float32"} | {k: v for k, v in options.items() if k not in tags})
    if tags:
        with rasterio.open(tmp_path / "a.tif", "r+") as raster:
            raster.update_tags(**tags)
    assert (read_usual(tmp_path / "a.tif") is not None) == usual
    try:
        expected = told_by_gdal(tmp_path / "a.tif")
    except GridError as error:
        with pytest.raises(GridError, match=re.escape(str(error))):
            open_header(tmp_path / "a.tif")
    else:
        for raster in (tmp_path / "a.tif", (tmp_path / "a.tif").read_bytes()):
            assert repr(open_header(raster)) == repr(expected)


def test_headers_of_real_granules_are_read_without_gdal(shared_data: Path) -> None:
    files = sorted(shared_data.glob("opera-rtc-s1/**/*.tif"))[::7]
    assert len(files) > 20
    for file in files:
        usual = read_usual(file)
        assert usual and repr(usual[0]) == repr(told_by_gdal(file)), file


@pytest.mark.parametrize("layout", ["strips", "bands one after the other", "tiled"])
def test_a_file_that_is_cut_short_anywhere_is_read_as_by_gdal_or_left_to_it(tmp_path: Path, layout: str) -> None:
    file = tmp_path / "a.tif"
    written(file, nodata=np.nan, **LAYOUTS[layout][1])
    whole, read = file.read_bytes(), set()
    start = int.from_bytes(whole[4:8], "little")
    for length in [0, 1, 4, 8, *range(start - 4, start + 700), len(whole) - 1]:
        file.write_bytes(whole[:length])
        usual = read_usual(file)
        read.add(usual is not None)
        if usual:
            assert repr(usual[0]) == repr(told_by_gdal(file)), length
    assert read == {True, False}


def remade(path: Path, changes: Mapping[int, Field]) -> None:
    """Write a file of strips again with other fields."""
    whole = path.read_bytes()
    fields = first_directory(BytesIO(whole))
    places, sizes = (np.frombuffer(fields[tag].values, f"<u{2 * fields[tag].type - 4}") for tag in (273, 279))
    pixels = [whole[place : place + size] for place, size in zip(places, sizes, strict=True)]
    fields |= {273: long_field(*places), **changes}
    start = len(header([fields], b"", big=False))
    if 273 not in changes:
        fields[273] = long_field(*(start + np.cumsum([0, *sizes[:-1]])))
    path.write_bytes(header([fields], b"", big=False) + b"".join(pixels))


def shorts(*values: int) -> Field:
    return Field(3, struct.pack(f"<{len(values)}H", *values))


def doubles(*values: float) -> Field:
    return Field(12, struct.pack(f"<{len(values)}d", *values))


KEYS = (1, 1, 0, 5, 1024, 0, 1, 1, 1025, 0, 1, 1, 2054, 0, 1, 9102, 3072, 0, 1, 32610, 3076, 0, 1, 9001)


def keys(**changes: int) -> Mapping[int, Field]:
    """Return geo keys; `at9=2` puts a 2 in place 9."""
    changed = list(KEYS)
    for place, value in changes.items():
        changed[int(place.removeprefix("at"))] = value
    return {34735: shorts(*changed)}


UNUSUAL: dict[str, Mapping[int, Field]] = {
    "keys of another version": keys(at0=2),
    "keys of another revision": keys(at1=2),
    "fewer keys than there are": keys(at3=4),
    "a key that is not known": keys(at12=2055),
    "no projection": keys(at7=2),
    "pixels as points": keys(at11=2),
    "grads": keys(at15=9105),
    "a code that lies elsewhere": keys(at17=34736),
    "no UTM zone": keys(at19=3035),
    "feet": keys(at23=9002),
    "tied elsewhere": {33922: doubles(1, 0, 0, 499980, 4200000, 0)},
    "tied twice": {33922: doubles(0, 0, 0, 499980, 4200000, 0, 70, 150, 0, 502080, 4195500, 0)},
    "oblong": {33550: doubles(30, 31, 0)},
    "upside down": {33550: doubles(-30, -30, 0)},
    "with a transformation": {34264: doubles(30, 0, 0, 499980, 0, -30, 0, 4200000, 0, 0, 0, 0, 0, 0, 0, 1)},
    "bits of two sizes": {277: shorts(2), 258: shorts(32, 16), 339: shorts(3, 3)},
    "bits of fewer bands": {277: shorts(2)},
    "more bands than a file can have": {277: long_field(2**32 - 1)},
    "formats of two kinds": {277: shorts(2), 258: shorts(32, 32), 339: shorts(3, 1)},
    "bits the other way round": {266: shorts(2)},
    "no column": {256: shorts(0)},
}

NOT_AS_THEY_ARE: dict[str, Mapping[int, Field]] = {
    "a strip that was never written": {279: long_field(17920, 0, 6160)},
    "a strip that is shorter": {279: long_field(17920, 17000, 6160)},
    "a strip that is elsewhere": {273: long_field(500, 500 + 17921, 500 + 2 * 17920)},
    "from the very start": {273: long_field(0, 17920, 2 * 17920)},
    "said to be compressed": {259: shorts(5)},
    "a strip too few": {273: long_field(500, 500 + 17920), 279: long_field(17920, 17920)},
    "a size too few": {279: long_field(17920, 17920)},
}


@pytest.mark.parametrize("changes", UNUSUAL.values(), ids=UNUSUAL)
def test_what_is_odd_in_a_header_is_left_to_gdal(tmp_path: Path, changes: Mapping[int, Field]) -> None:
    written(tmp_path / "a.tif", blockysize=64)
    remade(tmp_path / "a.tif", keys())
    usual = read_usual(tmp_path / "a.tif")
    assert usual and usual[1] is not None and usual[0] == told_by_gdal(tmp_path / "a.tif")
    remade(tmp_path / "a.tif", changes)
    assert read_usual(tmp_path / "a.tif") is None


@pytest.mark.parametrize("changes", NOT_AS_THEY_ARE.values(), ids=NOT_AS_THEY_ARE)
def test_rows_that_do_not_lie_as_they_are_are_left_to_gdal(tmp_path: Path, changes: Mapping[int, Field]) -> None:
    written(tmp_path / "a.tif", blockysize=64)
    remade(tmp_path / "a.tif", changes)
    usual = read_usual(tmp_path / "a.tif")
    assert usual and usual[1] is None


def test_bands_that_are_said_to_lie_pixel_by_pixel_are_left_to_gdal(tmp_path: Path) -> None:
    written(tmp_path / "a.tif", **LAYOUTS["bands one after the other"][1])
    remade(tmp_path / "a.tif", {})
    usual = read_usual(tmp_path / "a.tif")
    assert usual and usual[1] is not None
    remade(tmp_path / "a.tif", {284: shorts(1)})
    usual = read_usual(tmp_path / "a.tif")
    assert usual and usual[1] is None


def test_a_directory_that_is_not_as_it_should_be_is_left_to_gdal(tmp_path: Path) -> None:
    file = tmp_path / "a.tif"
    written(file)
    whole = file.read_bytes()
    place = int.from_bytes(whole[4:8], "little")
    length = 2 + 12 * int.from_bytes(whole[place : place + 2], "little")
    assert whole[place + 50 : place + 52] == (262).to_bytes(2, "little")  # the fifth
    at_the_end = whole[:4] + len(whole).to_bytes(4, "little") + whole[8:] + whole[place : place + length]
    twice = whole[: place + 50] + (259).to_bytes(2, "little") + whole[place + 52 :]
    for changed, usual in (
        (at_the_end, True),
        (at_the_end[:-12], False),
        (twice, False),
        (whole[:2] + b"\x2c" + whole[3:], False),
    ):
        file.write_bytes(changed)
        assert (read_usual(file) is not None) == usual


def test_a_height_beyond_all_strips_costs_nothing(tmp_path: Path) -> None:
    written(tmp_path / "a.tif", blockysize=1)
    remade(tmp_path / "a.tif", {257: long_field(3_000_000)})
    tracemalloc.start()
    try:
        usual = read_usual(tmp_path / "a.tif")
        assert usual is not None and usual[1] is None and tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_a_header_that_tells_of_more_than_the_file_holds_is_left_to_gdal(tmp_path: Path) -> None:
    written(tmp_path / "a.tif")
    whole = bytearray((tmp_path / "a.tif").read_bytes())
    start = int.from_bytes(whole[4:8], "little") + 2
    tags = [int.from_bytes(whole[at : at + 2], "little") for at in range(start, start + 12 * 15, 12)]
    for tag in (273, 33550, 33922, 34735):  # of what does not fit in the entry
        at = start + 12 * tags.index(tag)
        for count in (2**32 - 1, 0):
            changed = whole[: at + 4] + count.to_bytes(4, "little") + whole[at + 8 :]
            (tmp_path / "b.tif").write_bytes(changed)
            usual = read_usual(tmp_path / "b.tif")
            assert usual is None or (tag, count, usual[1]) == (273, 0, None), (tag, count)


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
@pytest.mark.parametrize("layout", list(LAYOUTS))
def test_rows_are_those_that_were_written(tmp_path: Path, layout: str, dtype: str) -> None:
    direct, options = LAYOUTS[layout]
    values = written(tmp_path / "a.tif", dtype, layout == "never written", **options)
    reader = row_reader(tmp_path / "a.tif")
    assert (reader.start is not None) == direct
    assert reader.header == told_by_gdal(tmp_path / "a.tif")
    for rows in (slice(0, 150), slice(0, 1), slice(63, 65), slice(149, 150)):
        found = reader.read(rows)
        np.testing.assert_array_equal(found, values[rows])
        assert found.dtype == dtype


def test_strips_that_lie_in_another_order_are_not_taken_for_rows(tmp_path: Path) -> None:
    """A strip is written where the file ends: made from below they lie upside down."""
    values = np.random.default_rng(1).random(BOX.shape).astype(np.float32)
    written(tmp_path / "a.tif", blockysize=50, empty=True, SPARSE_OK=True)
    for first in (100, 50, 0):
        with rasterio.open(tmp_path / "a.tif", "r+") as raster:
            raster.write(values[first : first + 50], 1, window=((first, first + 50), (0, BOX.width)))
    reader = row_reader(tmp_path / "a.tif")
    assert reader.start is None
    np.testing.assert_array_equal(reader.read(slice(0, 150)), values)


def test_what_write_raster_leaves_is_read_directly(tmp_path: Path) -> None:
    """Bursts are: the one reason why it is fast."""
    values = np.arange(150 * 70, dtype=np.float32).reshape(150, 70)
    write_raster(tmp_path / "a.tif", [values], BOX, ["VV"])
    reader = row_reader(tmp_path / "a.tif")
    assert reader.start is not None
    np.testing.assert_array_equal(reader.read(slice(10, 100)), values[10:100])
    write_raster(tmp_path / "a.tif", [values[:5, :7]], crop(BOX, slice(0, 5), slice(0, 7)), ["VV"])
    assert row_reader(tmp_path / "a.tif").start is not None


@pytest.mark.parametrize("rows", [slice(0, 0), slice(-1, 5), slice(140, 151), slice(5, 3)])
@pytest.mark.parametrize("layout", ["strips", "compressed"])
def test_rows_beyond_the_raster_are_refused(tmp_path: Path, layout: str, rows: slice) -> None:
    written(tmp_path / "a.tif", **LAYOUTS[layout][1])
    with pytest.raises(GridError, match=r"a\.tif.*beyond"):
        row_reader(tmp_path / "a.tif").read(rows)


@pytest.mark.parametrize("layout", ["strips", "compressed"])
def test_a_file_that_is_cut_short_or_gone_is_named(tmp_path: Path, layout: str) -> None:
    file = tmp_path / "a.tif"
    written(file, **LAYOUTS[layout][1])
    reader, whole = row_reader(file), file.read_bytes()
    file.write_bytes(whole[:-2000])
    with pytest.raises(ProductError, match=r"a\.tif"):
        reader.read(slice(0, 150))
    file.unlink()
    with pytest.raises(ProductError, match=r"a\.tif"):
        reader.read(slice(0, 150))
    with pytest.raises(ProductError, match=r"a\.tif"):
        row_reader(file)


def test_a_raster_that_gdal_has_in_memory_is_left_to_gdal(tmp_path: Path) -> None:
    written(tmp_path / "a.tif", **LAYOUTS["strips"][1])
    with MemoryFile((tmp_path / "a.tif").read_bytes()) as memory:
        reader = row_reader(memory.name)
        assert reader.start is None
        np.testing.assert_array_equal(reader.read(slice(3, 9)), row_reader(tmp_path / "a.tif").read(slice(3, 9)))


def doubled(value: float) -> Mapping[int, Field]:
    return {33550: doubles(value, value, 0)}


IMPOSSIBLE: dict[str, Mapping[int, Field]] = {
    "pixels without size": doubled(1e-300),
    "pixels that are too small": doubled(1e-7),
    "pixels larger than the Earth": doubled(1e300),
    "endless pixels": doubled(np.inf),
    "pixels of no number": doubled(np.nan),
    "too far east": {33922: doubles(0, 0, 0, 1e9, 4200000, 0)},
    "at no longitude": {33922: doubles(0, 0, 0, np.nan, 4200000, 0)},
    "at no latitude": {33922: doubles(0, 0, 0, 499980, np.nan, 0)},
    "endlessly far": {33922: doubles(0, 0, 0, 499980, -np.inf, 0)},
    "more rows than the Earth holds": {257: long_field(2**31 - 1)},
    "more columns than the Earth holds": {256: long_field(2**31 - 1)},
}


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize("changes", IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_a_header_that_cannot_be_is_refused_by_both_readers(tmp_path: Path, changes: Mapping[int, Field]) -> None:
    written(tmp_path / "a.tif", blockysize=64)
    remade(tmp_path / "a.tif", changes)
    assert read_usual(tmp_path / "a.tif") is None
    for read in (told_by_gdal, open_header, row_reader):
        with pytest.raises((GridError, ProductError), match=r"raster \S*a\.tif: "):
            read(tmp_path / "a.tif")


def test_whatever_a_header_holds_both_readers_agree_and_name_the_file(tmp_path: Path) -> None:
    """Random bytes put into the directory and its values."""
    file, random = tmp_path / "a.tif", np.random.default_rng(11)
    written(file, nodata=np.nan, blockysize=64)
    remade(file, keys())
    whole, start = file.read_bytes(), 8
    agreed = told = 0
    for _ in range(400):
        changed = bytearray(whole)
        for place in random.integers(start, start + 420, random.integers(1, 4)):
            changed[place] = random.integers(256)
        file.write_bytes(changed)
        usual = read_usual(file)
        try:
            expected = told_by_gdal(file)
        except (GridError, ProductError) as error:
            assert "a.tif: " in error.problem
            told += usual is not None  # a damaged tag that is of no use here
        else:
            agreed += usual is not None
            assert usual is None or repr(usual[0]) == repr(expected)
    assert agreed > 40 and told < agreed / 10, (agreed, told)
