"""The Zarr cube: what is written is read, by month and band; digests; refusals before anything is written."""

from __future__ import annotations

import hashlib
import json
import shutil
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import zarr

from s1monthly.cube import months as cube
from s1monthly.cube.axis import prepare
from s1monthly.cube.header import Status
from s1monthly.cube.write import write_month
from s1monthly.errors import CubeError
from s1monthly.model import Direction, Month, Tile
from support.cube_samples import (
    BANDS,
    BOX,
    CORE,
    EVERY,
    RECIPE,
    TEXTURES,
    core_of,
    month_of,
    months,
    spec_of,
    started,
    statuses,
    textured,
    tree,
    write,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "10SGD_ASCENDING" / "zarr" / "S1_monthly.zarr"


@pytest.fixture
def held(path: Path) -> Path:
    return started(path)


def test_state(held: Path) -> None:
    found = cube.state(held)
    assert (found.tile, found.direction) == (Tile("10SGD"), Direction.ASCENDING)
    assert (found.first, found.last) == months("2020-01", "2020-04")
    assert list(found.months.values()) == [Status.COMPLETE, Status.EMPTY, Status.COMPLETE, Status.EMPTY]
    assert found.bands == tuple(BANDS) and found.geobox == BOX and found.recipe == RECIPE and found.chunks == (32, 32)
    assert cube.state(held).complete == (Month(2020, 1), Month(2020, 3))


# values


def test_what_is_written_is_read(held: Path) -> None:
    values, count = core_of("2020-01")
    for name, array in cube.read_bands(held, Month(2020, 1)):
        assert array.dtype == np.float32
        np.testing.assert_array_equal(array, values.pop(name))
    assert not values
    np.testing.assert_array_equal(cube.read_count(held, Month(2020, 1)), count)


def test_zeros_stay_zeros(held: Path) -> None:
    zeros = {name: np.zeros(BOX.shape, np.float32) for name in BANDS}
    write_month(held, Month(2020, 2), zeros, np.zeros(BOX.shape, np.uint8))
    assert (cube.read_month(held, Month(2020, 2), "Ratio") == 0).all()
    assert (zarr.open_array(held / "VV_dB", mode="r")[1] == 0).all()


def test_digest_by_its_definition(held: Path) -> None:
    values, count = core_of("2020-03")
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
    values, count = core_of("2020-02")
    digest = write_month(held, Month(2020, 2), values, count)
    other_chunks = tmp_path / "other.zarr"
    prepare(other_chunks, spec_of(chunk=20), *months("2019-12", "2020-02"))
    assert write_month(other_chunks, Month(2020, 2), values, count) == digest
    row, column = np.argwhere(np.isfinite(values["RVI"]))[0]
    values["RVI"][row, column] = np.nextafter(values["RVI"][row, column], np.float32(99))
    assert write_month(held, Month(2020, 2), values, count) != digest
    assert cube.month_digest(held, Month(2020, 2)) != digest
    count[0, 0] += 1
    assert write_month(other_chunks, Month(2020, 2), core_of("2020-02")[0], count) != digest


def test_every_nan_is_written_alike(held: Path) -> None:
    values, count = core_of("2020-02")
    digest = write_month(held, Month(2020, 2), values, count)
    before = tree(held)
    for array in values.values():
        array.view(np.uint32)[np.isnan(array)] = 0xFFC12345
    assert write_month(held, Month(2020, 2), values, count) == digest
    assert tree(held) == before


def test_empty_slots_and_empty_chunks_have_no_files(held: Path) -> None:
    assert {slot.name for name in BANDS for slot in (held / name / "c").iterdir()} == {"0", "2"}
    size = sum(map(len, tree(held).values()))
    prepare(held, spec_of(), *months("2015-01", "2030-12"))
    assert {slot.name for name in BANDS for slot in (held / name / "c").iterdir()} == {"60", "62"}
    assert abs(sum(map(len, tree(held).values())) - size) < 300, "188 more slots are a few digits in the metadata"
    empty = {name: np.full(BOX.shape, np.nan, np.float32) for name in BANDS}
    empty["RVI"][:, :32] = 1.0
    write_month(held, Month(2020, 1), empty, np.zeros(BOX.shape, np.uint8))
    files = {file.relative_to(held).as_posix() for file in held.glob("**/c/60/**/*") if file.is_file()}
    overviews = {f"overviews/{factor}/RVI/c/60/0/0" for factor in (2, 4)}
    assert files == {"RVI/c/60/0/0", "RVI/c/60/1/0", *overviews}
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


def test_an_iterator_may_yield_bands_in_any_order(held: Path) -> None:
    values, count = core_of("2020-02")
    digest = write_month(held, Month(2020, 2), iter(reversed(values.items())), count)
    assert digest == write(held, "2020-02")


def test_reader_sees_whole_months_alone(held: Path) -> None:
    stop = threading.Event()
    known = [core_of("2020-03", version)[0]["VV_dB"].tobytes() for version in (1, 2)]
    seen: list[int] = []

    def keep_writing() -> None:
        version, first = 1, Month(2019, 12)
        while not stop.is_set():
            version, first = 3 - version, first.shift(-1)
            write(held, "2020-03", version)
            prepare(held, spec_of(), first, first)

    writer = threading.Thread(target=keep_writing)
    writer.start()
    try:
        for _ in range(600):
            try:
                seen.append(known.index(cube.read_month(held, Month(2020, 3), "VV_dB").tobytes()))
            except CubeError as error:
                assert "being written" in str(error) or "replaced each time" in str(error)
            if len(seen) > 20 and set(seen) == {0, 1}:
                break
    finally:
        stop.set()
        writer.join()
    assert set(seen) == {0, 1}


# refusals


def test_wrong_input_is_refused_before_anything_is_written(held: Path) -> None:
    before = tree(held)
    values, count = core_of("2020-01", version=2)
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
            write_month(held, month, bad_values, bad_count)
        assert tree(held) == before
    assert sorted(entry.name for entry in held.parent.iterdir()) == [held.name]


def test_months_that_are_not_complete_are_refused(held: Path) -> None:
    for reading in (cube.read_count, cube.month_digest, lambda p, m: cube.read_month(p, m, "RVI")):
        with pytest.raises(CubeError, match="2020-02 is empty, not complete"):
            reading(held, Month(2020, 2))
        with pytest.raises(CubeError, match="no slot for 2020-05"):
            reading(held, Month(2020, 5))
    with pytest.raises(CubeError, match="no band VV_contrast"):
        cube.read_month(held, Month(2020, 1), "VV_contrast")


def test_a_status_that_is_none_is_not_complete(held: Path) -> None:
    chunks = held / "status" / "c"
    (chunks / "0").write_bytes(b"")
    (chunks / "2").write_bytes(b"\x07")
    assert statuses(held) == [Status.BEING_WRITTEN, Status.EMPTY, Status.BEING_WRITTEN, Status.EMPTY]
    with pytest.raises(CubeError, match="2020-03 is being written"):
        cube.read_count(held, Month(2020, 3))


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
        prepare(held, spec_of(), *months("2020-01", "2020-01"))
    root = json.loads((held / "zarr.json").read_text())
    del root["attributes"]["s1monthly"]["bands"]
    (held / "zarr.json").write_text(json.dumps(root))
    with pytest.raises(CubeError, match=r"damaged.*bands"):
        cube.state(held)
    (held / "zarr.json").write_text("{")
    with pytest.raises(CubeError, match="damaged"):
        cube.state(held)


def test_impossible_specifications_are_refused(path: Path) -> None:
    axis = months("2020-01", "2020-02")
    for spec, span, said in [
        (spec_of({"x": float("nan")}), axis, "not plain JSON"),
        (spec_of({"x": {1, 2}}), axis, "not plain JSON"),
        (spec_of(of=()), axis, "cannot be named side by side"),
        (spec_of(of=(CORE[0], CORE[0])), axis, "cannot be named side by side"),
        (spec_of(of=(replace(CORE[0], name="count"),)), axis, "cannot be named side by side"),
        (spec_of(chunk=0), axis, "chunks of"),
        (spec_of(), axis[::-1], "ends before it begins"),
        (spec_of(), months("1990-01", "2090-01"), "too long"),
    ]:
        with pytest.raises(CubeError, match=said):
            prepare(path, spec, *span)
        assert not path.exists()


# bands beyond the core ones


def test_a_month_of_a_cube_with_textures_is_written_whole(path: Path) -> None:
    prepare(path, textured(), *months("2020-01", "2020-01"))
    values, count = month_of("2020-01")
    with pytest.raises(CubeError, match="missing VV_glcm_contrast, VH_glcm_contrast"):
        write_month(path, Month(2020, 1), {name: values[name] for name in BANDS}, count)
    assert statuses(path) == [Status.EMPTY]
    write(path, "2020-01")
    for band in EVERY:
        np.testing.assert_array_equal(cube.read_month(path, Month(2020, 1), band.name), values[band.name])
    attributes = json.loads((path / TEXTURES[0].name / "zarr.json").read_text())["attributes"]
    assert attributes["units"] == "1" and attributes["long_name"] == "made up, VV"


def test_a_window_is_the_same_part_of_the_whole(held: Path) -> None:
    write(held, "2020-03")
    month = Month.parse("2020-03")
    whole = {1: cube.read_month(held, month, "VH_dB"), 2: cube.read_overview(held, month, "VH_dB", 2)}
    for factor, rows, columns in [
        (1, (0, 64), (0, 48)),
        (1, (31, 33), (5, 40)),
        (1, (40, 41), (47, 48)),
        (2, (3, 30), (1, 9)),
    ]:
        window = slice(*rows), slice(*columns)
        part = cube.read_part(held, month, "VH_dB", *window, factor)
        np.testing.assert_array_equal(part, whole[factor][window])
    np.testing.assert_array_equal(
        cube.read_part(held, month, "count", slice(7, 40), slice(30, 35)), cube.read_count(held, month)[7:40, 30:35]
    )
    for name, rows, factor in (("VH_dB", slice(0, 65), 1), ("count", slice(0, 2), 2), ("../VH_dB", slice(0, 2), 1)):
        with pytest.raises(CubeError):
            cube.read_part(held, month, name, rows, slice(0, 4), factor)
