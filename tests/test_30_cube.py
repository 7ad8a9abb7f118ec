"""The Zarr cube: layout as others read it, writing in any order and side by side, extension, refusals, kills."""

from __future__ import annotations

import errno
import hashlib
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
import zarr
from rasterio.errors import RasterioIOError

from kill_cube import BOX, OTHER_RECIPE, RECIPE, month_of, spec_of, tree, write
from s1monthly import cube, cube_files
from s1monthly.bands import bands
from s1monthly.cube import Status
from s1monthly.errors import CubeError
from s1monthly.grid import GeoBox
from s1monthly.slots import Slots
from s1monthly.vocabulary import Direction, Month, Tile

BANDS = ["VV_dB", "VH_dB", "Ratio", "RVI"]


def months(first: str, last: str) -> tuple[Month, Month]:
    return Month.parse(first), Month.parse(last)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "10SGD_ASCENDING" / "zarr" / "S1_monthly.zarr"


@pytest.fixture
def held(path: Path) -> Path:
    """Make a cube from 2020-01 to 2020-04 with 2020-01 and 2020-03 written."""
    cube.prepare(path, spec_of(), *months("2020-01", "2020-04"))
    write(path, "2020-01")
    write(path, "2020-03")
    return path


# as others read it


def test_xarray_and_rioxarray_find_everything(held: Path) -> None:
    xr = pytest.importorskip("xarray")
    pytest.importorskip("rioxarray")
    with xr.open_zarr(held, consolidated=True) as ds:
        assert set(ds.data_vars) == {*BANDS, "count", "status", "time_bnds"}
        starts = np.array(["2020-01-01", "2020-02-01", "2020-03-01", "2020-04-01"], "datetime64[ns]")
        assert (ds.time.values == starts).all()
        ends = np.array(["2020-02-01", "2020-03-01", "2020-04-01", "2020-05-01"], "datetime64[ns]")
        assert (ds.time_bnds.values.astype("datetime64[ns]") == np.stack([starts, ends], 1)).all()
        assert ds.rio.crs.to_epsg() == 32610
        for name, units in zip(BANDS, ["dB", "dB", "1", "1"], strict=True):
            band = ds[name]
            assert band.dtype == np.float32 and band.dims == ("time", "y", "x")
            assert band.attrs["units"] == units and band.attrs["long_name"]
            assert band.rio.crs.to_epsg() == 32610
            assert band.rio.transform() == rasterio.Affine(*BOX.transform)
            assert band.rio.transform(recalc=True) == rasterio.Affine(*BOX.transform)
            assert np.isnan(band.rio.encoded_nodata)
            assert band.chunks == ((1,) * 4, (32, 32), (32, 16))
            expected, count = month_of("2020-03")
            np.testing.assert_array_equal(band.sel(time="2020-03-01").values, expected[name])
            assert np.isnan(band.sel(time="2020-02-01").values).all()
        assert ds["count"].dtype == np.uint8
        np.testing.assert_array_equal(ds["count"].sel(time="2020-03-01").values, count)
        assert ds.status.values.tolist() == [2, 0, 2, 0] and ds.status.dtype == np.uint8
        assert ds.status.attrs["flag_values"] == [0, 1, 2]
        assert ds.status.attrs["flag_meanings"].split() == ["empty", "being_written", "complete"]
        assert (ds.x.values[[0, -1]] == [600015.0, 601425.0]).all() and ds.x.attrs["units"] == "metre"
        assert (ds.y.values[[0, -1]] == [4199985.0, 4198095.0]).all()
        assert ds.x.attrs["standard_name"] == "projection_x_coordinate"
        assert ds.attrs["Conventions"] == "CF-1.11" and "10SGD" in ds.attrs["title"]


def test_odc_geo_finds_the_grid(held: Path) -> None:
    xr = pytest.importorskip("xarray")
    pytest.importorskip("odc.geo.xr")
    with xr.open_zarr(held) as ds:
        geobox = ds.VV_dB.odc.geobox
        assert geobox.crs.epsg == 32610 and geobox.shape == (64, 48)
        assert geobox.affine == rasterio.Affine(*BOX.transform)


def test_gdal_reads_a_month(held: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(held, tmp_path / "copy.zarr")
    if tuple(int(part) for part in rasterio.__gdal_version__.split(".")[:2]) < (3, 11):
        # GDAL before 3.11 knows the codec "bytes" by the draft's name; nothing else of the store is changed
        for file in copy.glob("*/zarr.json"):
            metadata = json.loads(file.read_text())
            metadata["codecs"][0] = {"name": "endian", "configuration": {"endian": "little"}}
            file.write_text(json.dumps(metadata))
    try:
        dataset = rasterio.open(f'ZARR:"{copy}":/VH_dB:2')
    except RasterioIOError as error:
        pytest.skip(f"GDAL {rasterio.__gdal_version__} of this rasterio cannot open Zarr v3: {error}")
    with dataset:
        assert dataset.crs.to_epsg() == 32610
        assert dataset.transform == rasterio.Affine(*BOX.transform)
        assert np.isnan(dataset.nodata)
        np.testing.assert_array_equal(dataset.read(1), month_of("2020-03")[0]["VH_dB"])


def test_root_is_read_by_plain_json(held: Path) -> None:
    attributes = json.loads((held / "zarr.json").read_text())["attributes"]["s1monthly"]
    assert attributes["tile"] == "10SGD" and attributes["direction"] == "ASCENDING"
    assert attributes["first"] == "2020-01" and attributes["last"] == "2020-04"
    assert attributes["recipe"] == RECIPE and attributes["bands"] == BANDS


def test_slots_are_read_without_zarr(held: Path) -> None:
    for first in ("2020-01", "2019-06"):
        cube.prepare(held, spec_of(), *months(first, "2020-04"))
        found = Slots.read(str(held))
        assert found is not None and (found.first, found.last) == months(first, "2020-04")
        assert found.complete() == [Month(2020, 1), Month(2020, 3)] and found.recipe == RECIPE
        assert found.status(Month(2020, 2)) == Status.EMPTY and found.chunks == (32, 32)


def test_geographic_grid_has_latitude_and_longitude(path: Path) -> None:
    box = GeoBox(4326, 0.25, 10.0, 50.0, 48, 64)
    cube.prepare(path, spec_of(box=box), *months("2020-01", "2020-01"))
    group = zarr.open_group(path, mode="r")
    assert group["x"].attrs["units"] == "degrees_east" and group["y"].attrs["units"] == "degrees_north"
    assert group["x"][0] == 10.125 and group["y"][0] == 49.875
    assert group["spatial_ref"].attrs["grid_mapping_name"] == "latitude_longitude"
    assert group["spatial_ref"].attrs["GeoTransform"] == "10.0 0.25 0.0 50.0 0.0 -0.25"


def test_state(held: Path) -> None:
    found = cube.state(held)
    assert (found.tile, found.direction) == (Tile("10SGD"), Direction.ASCENDING)
    assert (found.first, found.last) == months("2020-01", "2020-04")
    assert list(found.months.values()) == [Status.COMPLETE, Status.EMPTY, Status.COMPLETE, Status.EMPTY]
    assert found.bands == tuple(BANDS) and found.geobox == BOX and found.recipe == RECIPE and found.chunks == (32, 32)
    assert cube.months_complete(held) == (Month(2020, 1), Month(2020, 3))


# values


def test_what_is_written_is_read(held: Path) -> None:
    values, count = month_of("2020-01")
    for name, array in cube.read_bands(held, Month(2020, 1)):
        assert array.dtype == np.float32
        np.testing.assert_array_equal(array, values.pop(name))
    assert not values
    np.testing.assert_array_equal(cube.read_count(held, Month(2020, 1)), count)


def test_zeros_stay_zeros(held: Path) -> None:
    zeros = {name: np.zeros(BOX.shape, np.float32) for name in BANDS}
    cube.write_month(held, Month(2020, 2), zeros, np.zeros(BOX.shape, np.uint8))
    assert (cube.read_month(held, Month(2020, 2), "Ratio") == 0).all()
    assert (zarr.open_array(held / "VV_dB", mode="r")[1] == 0).all()


def test_digest_by_its_definition(held: Path) -> None:
    values, count = month_of("2020-03")
    hashes = {}
    for name, array in {**values, "count": count}.items():
        array = array.copy()
        if array.dtype == np.float32:
            array.view(np.uint32)[np.isnan(array)] = 0x7FC00000
        hashes[name] = hashlib.sha256(array.astype(array.dtype.newbyteorder("<")).tobytes()).hexdigest()
    grid = {"epsg": 32610, "height": 64, "left": 600000.0, "resolution": 30.0, "top": 4200000.0, "width": 48}
    content = {"tile": "10SGD", "direction": "ASCENDING", "month": "2020-03", "grid": grid, "sha256": hashes}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    expected = hashlib.sha256(text.encode()).hexdigest()
    assert cube.month_digest(held, Month(2020, 3)) == expected == write(held, "2020-03")


def test_digest_tells_values_apart_and_nothing_else(held: Path, tmp_path: Path) -> None:
    values, count = month_of("2020-02")
    digest = cube.write_month(held, Month(2020, 2), values, count)
    other_chunks = tmp_path / "other.zarr"
    cube.prepare(other_chunks, spec_of(chunk=20), *months("2019-12", "2020-02"))
    assert cube.write_month(other_chunks, Month(2020, 2), values, count) == digest
    row, column = np.argwhere(np.isfinite(values["RVI"]))[0]
    values["RVI"][row, column] = np.nextafter(values["RVI"][row, column], np.float32(99))
    assert cube.write_month(held, Month(2020, 2), values, count) != digest
    assert cube.month_digest(held, Month(2020, 2)) != digest
    count[0, 0] += 1
    assert cube.write_month(other_chunks, Month(2020, 2), month_of("2020-02")[0], count) != digest


def test_every_nan_is_written_alike(held: Path) -> None:
    values, count = month_of("2020-02")
    digest = cube.write_month(held, Month(2020, 2), values, count)
    before = tree(held)
    for array in values.values():
        array.view(np.uint32)[np.isnan(array)] = 0xFFC12345
    assert cube.write_month(held, Month(2020, 2), values, count) == digest
    assert tree(held) == before


def test_empty_slots_and_empty_chunks_have_no_files(held: Path) -> None:
    assert {slot.name for name in BANDS for slot in (held / name / "c").iterdir()} == {"0", "2"}
    cube.prepare(held, spec_of(), *months("2015-01", "2030-12"))
    assert {slot.name for name in BANDS for slot in (held / name / "c").iterdir()} == {"60", "62"}
    empty = {name: np.full(BOX.shape, np.nan, np.float32) for name in BANDS}
    empty["RVI"][:, :32] = 1.0
    cube.write_month(held, Month(2020, 1), empty, np.zeros(BOX.shape, np.uint8))
    files = {file.relative_to(held).as_posix() for file in held.glob("*/c/60/**/*") if file.is_file()}
    assert files == {"RVI/c/60/0/0", "RVI/c/60/1/0"}
    assert np.isnan(cube.read_month(held, Month(2020, 1), "VV_dB")).all()
    np.testing.assert_array_equal(cube.read_month(held, Month(2020, 1), "RVI"), empty["RVI"])


def test_overwriting_keeps_one_slot(held: Path) -> None:
    others = {name: data for name, data in tree(held).items() if "/c/2/" not in f"{name}/" or name.startswith("status")}
    first = cube.month_digest(held, Month(2020, 3))
    second = write(held, "2020-03", version=2)
    assert second != first and cube.month_digest(held, Month(2020, 3)) == second
    after = tree(held)
    assert {name: after[name] for name in others} == others
    assert len(cube.state(held).months) == 4
    assert write(held, "2020-03") == first


# order, extension, neighbours


def test_any_order_gives_the_same_bytes(tmp_path: Path) -> None:
    texts = ["2019-11", "2020-01", "2020-02", "2020-04"]
    forwards, backwards, mixed = (tmp_path / f"{name}.zarr" for name in ("forwards", "backwards", "mixed"))
    cube.prepare(forwards, spec_of(), *months("2019-10", "2020-05"))
    for text in texts:
        write(forwards, text)
    for text in reversed(texts):
        cube.prepare(backwards, spec_of(), Month.parse(text), Month.parse(text))
        write(backwards, text)
    cube.prepare(backwards, spec_of(), *months("2019-10", "2020-05"))
    cube.prepare(mixed, spec_of(), *months("2020-02", "2020-02"))
    write(mixed, "2020-02", version=2)
    cube.prepare(mixed, spec_of(dict(reversed(RECIPE.items()))), *months("2020-01", "2020-05"))
    write(mixed, "2020-01")
    cube.prepare(mixed, spec_of(), *months("2019-10", "2019-10"))
    for text in ("2020-04", "2019-11", "2020-02"):
        write(mixed, text)
    wanted = tree(forwards)
    assert tree(backwards) == wanted and tree(mixed) == wanted
    assert [entry for entry in tmp_path.iterdir() if ".part" in entry.name] == []


def test_prepare_returns_the_axis_and_never_shrinks(held: Path) -> None:
    before = tree(held)
    times = {file: file.stat().st_mtime_ns for file in held.rglob("*")}
    assert cube.prepare(held, spec_of(), *months("2020-02", "2020-03")) == months("2020-01", "2020-04")
    assert tree(held) == before and {file: file.stat().st_mtime_ns for file in held.rglob("*")} == times
    assert cube.prepare(held, spec_of(), *months("2018-02", "2018-03")) == months("2018-02", "2020-04")
    assert cube.months_complete(held) == (Month(2020, 1), Month(2020, 3))


def test_rekeying_writes_no_value(held: Path) -> None:
    inode = (held / "RVI" / "c" / "2" / "0" / "1").stat().st_ino
    cube.prepare(held, spec_of(), *months("2019-01", "2019-01"))
    moved = (held / "RVI" / "c" / "14" / "0" / "1").stat()
    assert (moved.st_ino, moved.st_nlink) == (inode, 1)
    np.testing.assert_array_equal(cube.read_month(held, Month(2020, 3), "RVI"), month_of("2020-03")[0]["RVI"])


def _write_some(path: Path, texts: list[str]) -> list[str]:
    return [write(path, text) for text in texts for _ in range(3)]


def test_side_by_side_writers(tmp_path: Path) -> None:
    alone, together = tmp_path / "alone.zarr", tmp_path / "together.zarr"
    odd, even = ["2020-01", "2020-03", "2020-05"], ["2020-02", "2020-04", "2020-05"]
    for path in (alone, together):
        cube.prepare(path, spec_of(), *months("2020-01", "2020-06"))
    _write_some(alone, sorted({*odd, *even}))
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        results = [pool.submit(_write_some, together, texts) for texts in (odd, even)]
        # the axis is lengthened and re-keyed under the writers
        cube.prepare(together, spec_of(), *months("2020-01", "2020-08"))
        cube.prepare(together, spec_of(), *months("2019-12", "2020-08"))
        for result in results:
            result.result()
    cube.prepare(alone, spec_of(), *months("2019-12", "2020-08"))
    assert tree(together) == tree(alone)


def test_reader_sees_whole_months_alone(held: Path) -> None:
    stop = threading.Event()
    known = [month_of("2020-03", version)[0]["VV_dB"].tobytes() for version in (1, 2)]
    seen = []

    def keep_writing() -> None:
        version, first = 1, Month(2019, 12)
        while not stop.is_set():
            version, first = 3 - version, first.shift(-1)
            write(held, "2020-03", version)
            cube.prepare(held, spec_of(), first, first)

    writer = threading.Thread(target=keep_writing)
    writer.start()
    try:
        for _ in range(60):
            try:
                seen.append(known.index(cube.read_month(held, Month(2020, 3), "VV_dB").tobytes()))
            except CubeError as error:
                assert "being written" in str(error) or "replaced each time" in str(error)
    finally:
        stop.set()
        writer.join()
    assert set(seen) == {0, 1}


# refusals


def test_wrong_input_is_refused_before_anything_is_written(held: Path) -> None:
    before = tree(held)
    values, count = month_of("2020-01", version=2)
    march = Month(2020, 3)
    for month, bad_values, bad_count, said in [
        (Month(2021, 1), values, count, "no slot for 2021-01"),
        (march, {k: v for k, v in values.items() if k != "RVI"}, count, "missing RVI"),
        (march, values | {"VV_contrast": values["RVI"]}, count, "unknown VV_contrast"),
        (march, values | {"RVI": values["RVI"][:-1]}, count, r"RVI is float32 of shape \(63, 48\)"),
        (march, values | {"RVI": values["RVI"].astype("float64")}, count, "RVI is float64"),
        (march, values, count.astype("int16"), "count is int16"),
        (march, values, count[:, :-1], "count is uint8 of shape"),
        (march, iter(list(values.items())[:3]), count, "missing RVI"),
        (march, iter([*values.items(), *values.items()]), count, "VV_dB was given twice"),
        (march, iter([("VV_dB", values["VV_dB"]), ("VH", values["RVI"])]), count, "unknown VH"),
        (march, iter([("VV_dB", values["VV_dB"]), ("VH_dB", values["RVI"][1:])]), count, "VH_dB is float32"),
    ]:
        with pytest.raises(CubeError, match=said):
            cube.write_month(held, month, bad_values, bad_count)
        assert tree(held) == before
    assert sorted(entry.name for entry in held.parent.iterdir()) == [held.name, f"{held.name}.lock"]


def test_an_iterator_may_yield_bands_in_any_order(held: Path) -> None:
    values, count = month_of("2020-02")
    digest = cube.write_month(held, Month(2020, 2), iter(reversed(values.items())), count)
    assert digest == write(held, "2020-02")


def test_months_that_are_not_complete_are_refused(held: Path) -> None:
    for reading in (cube.read_count, cube.month_digest, lambda p, m: cube.read_month(p, m, "RVI")):
        with pytest.raises(CubeError, match="2020-02 is empty, not complete"):
            reading(held, Month(2020, 2))
        with pytest.raises(CubeError, match="no slot for 2020-05"):
            reading(held, Month(2020, 5))
    with pytest.raises(CubeError, match="no band VV_contrast"):
        cube.read_month(held, Month(2020, 1), "VV_contrast")


def test_half_written_month_has_status_1_until_it_is_written_again(held: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, rename = tree(held), os.rename

    def fail_on_second(source: Path, target: Path) -> None:
        if "/VH_dB/" in str(target):
            raise OSError(errno.EIO, "the disk is broken")
        rename(source, target)

    with monkeypatch.context() as patched:
        patched.setattr(os, "rename", fail_on_second)
        with pytest.raises(CubeError, match=r"writing 2020-02 failed.*the disk is broken"):
            write(held, "2020-02")
    assert cube.state(held).months[Month(2020, 2)] is Status.BEING_WRITTEN
    with pytest.raises(CubeError, match="2020-02 is being written, not complete"):
        cube.read_month(held, Month(2020, 2), "VV_dB")
    after = tree(held)
    assert {name: after[name] for name in before} == before
    write(held, "2020-02")
    assert cube.months_complete(held) == tuple(Month(2020, m) for m in (1, 2, 3))


@pytest.mark.parametrize(
    ("code", "remedy"), [(errno.ENOSPC, "free some space"), (errno.EROFS, "make the folder writable")]
)
def test_full_or_read_only_disk_leaves_the_cube_unharmed(
    held: Path, monkeypatch: pytest.MonkeyPatch, code: int, remedy: str
) -> None:
    before = tree(held)

    def fail(*args: object) -> None:
        raise OSError(code, os.strerror(code))

    place = (os, "fsync") if code == errno.ENOSPC else (cube_files.tempfile, "mkdtemp")
    with monkeypatch.context() as patched:
        patched.setattr(place[0], place[1], lambda *args, **kwargs: fail())
        with pytest.raises(CubeError, match=remedy):
            write(held, "2020-03", version=2)
        with pytest.raises(CubeError, match=remedy):
            cube.prepare(held, spec_of(), *months("2019-01", "2021-01"))
    assert tree(held) == before
    assert sorted(entry.name for entry in held.parent.iterdir()) == [held.name, f"{held.name}.lock"]


def test_another_recipe_grid_or_band_set_is_refused(held: Path) -> None:
    before, axis = tree(held), months("2020-01", "2021-04")
    shifted = replace(BOX, left=BOX.left + 30)
    six = replace(spec_of(), bands=(*bands("VV", "VH"), replace(bands("VV", "VH")[0], name="VV_glcm_contrast")))
    for spec, said in [
        (spec_of(OTHER_RECIPE), r'recipe.level: "hARDCp" in the cube, "ARDC" asked for'),
        (spec_of(RECIPE | {"seed": 1}), "recipe.seed: nothing in the cube, 1 asked for"),
        (spec_of(RECIPE | {"despeckle": {"method": "none"}}), "recipe.despeckle.reg_param: 5.0 in the cube, nothing"),
        (spec_of(box=shifted), r"grid.left: 600000.0 in the cube, 600030.0 asked for"),
        (spec_of(chunk=16), r"chunks: \[32, 32\] in the cube, \[16, 16\] asked for"),
        (six, r'bands: .* in the cube, .*"VV_glcm_contrast"\] asked for'),
    ]:
        with pytest.raises(CubeError, match=said) as caught:
            cube.prepare(held, spec, *axis)
        assert "another base_dir" in caught.value.remedy and "overwrite: true" in caught.value.remedy
        assert "2020-01 to 2020-04" in caught.value.remedy
        assert tree(held) == before
    for elsewhere in (replace(spec_of(), tile=Tile("10SGE")), replace(spec_of(), direction=Direction.DESCENDING)):
        with pytest.raises(CubeError, match="belongs elsewhere"):
            cube.prepare(held, elsewhere, *axis, replace=True)
        assert tree(held) == before


@pytest.mark.parametrize("spec", [spec_of(OTHER_RECIPE), spec_of(chunk=16), spec_of(box=replace(BOX, top=0.0))])
def test_replacing_begins_anew_with_the_same_axis(held: Path, tmp_path: Path, spec: cube.CubeSpec) -> None:
    assert cube.prepare(held, spec, *months("2020-03", "2020-06"), replace=True) == months("2020-01", "2020-06")
    fresh = tmp_path / "fresh.zarr"
    cube.prepare(fresh, spec, *months("2020-01", "2020-06"))
    assert tree(held) == tree(fresh)
    assert cube.months_complete(held) == ()


def test_replacing_with_the_same_recipe_keeps_the_months(held: Path) -> None:
    before = tree(held)
    cube.prepare(held, spec_of(), *months("2020-01", "2020-02"), replace=True)
    assert tree(held) == before


def test_a_cube_begun_anew_refuses_a_month_made_before(held: Path) -> None:
    values, count = month_of("2020-02")

    def arrives_late() -> Iterator[tuple[str, np.ndarray]]:
        cube.prepare(held, spec_of(OTHER_RECIPE), *months("2020-02", "2020-02"), replace=True)
        yield from values.items()

    with pytest.raises(CubeError, match="begun anew meanwhile"):
        cube.write_month(held, Month(2020, 2), arrives_late(), count)
    assert cube.months_complete(held) == ()


def test_foreign_stores_are_never_touched(path: Path) -> None:
    def version_2() -> None:
        group = zarr.open_group(path, mode="w", zarr_format=2)
        group.create_array("VV_dB", shape=(2, 4, 4), dtype="f4", chunks=(1, 4, 4), fill_value=0)[...] = 1

    def version_3() -> None:
        zarr.open_group(path, mode="w", zarr_format=3).create_array("VV_dB", shape=(2, 4, 4), dtype="f4")[...] = 1

    def folder() -> None:
        path.mkdir(parents=True)
        (path / "notes.txt").write_text("mine")

    def file() -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("mine")

    for make, said in [
        (version_2, "Zarr v2 store, such as S1-GRiTS writes"),
        (version_3, "not written by this product"),
        (folder, "it has no zarr.json"),
        (file, "it has no zarr.json"),
    ]:
        make()
        before = tree(path.parent)
        for change in (
            lambda: cube.prepare(path, spec_of(), *months("2020-01", "2020-02")),
            lambda: cube.prepare(path, spec_of(), *months("2020-01", "2020-02"), replace=True),
            lambda: write(path, "2020-01"),
            lambda: cube.state(path),
            lambda: cube.month_digest(path, Month(2020, 1)),
        ):
            with pytest.raises(CubeError, match=said):
                change()
        after = tree(path.parent)
        assert {name: after[name] for name in before} == before and after.keys() - before <= {f"{path.name}.lock"}
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def test_missing_and_damaged_cubes_are_named(held: Path, tmp_path: Path) -> None:
    for missing in (tmp_path / "none.zarr", tmp_path / "no" / "folder.zarr"):
        with pytest.raises(CubeError, match="there is no cube at"):
            cube.state(missing)
        with pytest.raises(CubeError, match="there is no cube at"):
            write(missing, "2020-01")
    chunk = held / "RVI" / "c" / "0" / "0" / "1"
    chunk.write_bytes(chunk.read_bytes()[:40])
    with pytest.raises(CubeError, match="slot 0 of RVI is damaged"):
        cube.read_month(held, Month(2020, 1), "RVI")
    shutil.rmtree(held / "RVI")
    with pytest.raises(CubeError, match="array RVI: missing in the cube"):
        cube.prepare(held, spec_of(), *months("2020-01", "2020-01"))
    (held / "zarr.json").write_text("{")
    with pytest.raises(CubeError, match="damaged"):
        cube.state(held)


def test_a_band_stored_otherwise_is_refused(held: Path) -> None:
    # as a later version of this product would find it, had the compression been changed in between
    for file in (held / "zarr.json", held / "VV_dB" / "zarr.json"):
        file.write_text(file.read_text().replace('"bitshuffle"', '"shuffle"', 1))
    with pytest.raises(CubeError, match="array VV_dB: another codecs"):
        cube.prepare(held, spec_of(), *months("2020-01", "2020-01"))
    cube.prepare(held, spec_of(), *months("2020-01", "2020-01"), replace=True)
    assert cube.months_complete(held) == ()


def test_impossible_specifications_are_refused(path: Path) -> None:
    one = bands("VV", "VH")[0]
    axis = months("2020-01", "2020-02")
    for spec, span, said in [
        (spec_of({"x": float("nan")}), axis, "not plain JSON"),
        (spec_of({"x": {1, 2}}), axis, "not plain JSON"),
        (replace(spec_of(), bands=()), axis, "cannot be named side by side"),
        (replace(spec_of(), bands=(one, one)), axis, "cannot be named side by side"),
        (replace(spec_of(), bands=(replace(one, name="count"),)), axis, "cannot be named side by side"),
        (spec_of(chunk=0), axis, "chunks of"),
        (spec_of(), axis[::-1], "ends before it begins"),
        (spec_of(), months("1990-01", "2090-01"), "too long"),
    ]:
        with pytest.raises(CubeError, match=said):
            cube.prepare(path, spec, *span)
        assert not path.exists()


# kills


@pytest.fixture
def fast_folder(tmp_path: Path) -> Iterator[Path]:
    """Give a folder in memory where the system has one: what a kill leaves does not depend on the disk."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)


def test_killed_at_every_step_and_at_random(fast_folder: Path) -> None:
    driver = Path(__file__).with_name("kill_cube.py")
    environment = os.environ | {"PYTHONPATH": str(Path(cube.__file__).parents[1])}
    kills = os.environ.get("S1MONTHLY_KILLS", "12")
    command = [sys.executable, str(driver), str(fast_folder / "kills"), "--random", kills]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.count("killed before each of") == 7
