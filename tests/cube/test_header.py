"""A cube's root and the status of its months, read by plain file access."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from s1monthly.cube.header import BEING_WRITTEN, COMPLETE, EMPTY, cached_header, foreign_store, read_status
from s1monthly.errors import CubeError
from s1monthly.model import Month
from support.sites import set_time, write_store

NOVEMBER, DECEMBER, _, FEBRUARY = Month(2021, 11).until(Month(2022, 2))


def test_the_status_of_a_month_is_read_from_its_byte(tmp_path: Path) -> None:
    store = write_store(
        tmp_path / "cube.zarr",
        NOVEMBER,
        FEBRUARY,
        {"level": "ARDC"},
        {NOVEMBER: COMPLETE, DECEMBER: BEING_WRITTEN, FEBRUARY: COMPLETE},
    )
    held = cached_header(store)
    assert held is not None
    assert (held.first, held.last, held.chunks, held.recipe) == (NOVEMBER, FEBRUARY, (1024, 512), {"level": "ARDC"})
    span = list(NOVEMBER.shift(-1).until(FEBRUARY.shift(1)))
    assert [held.status(month) for month in span] == [EMPTY, COMPLETE, BEING_WRITTEN, EMPTY, COMPLETE, EMPTY]
    assert held.complete_months() == [NOVEMBER, FEBRUARY]
    (store / "status" / "c" / "0").write_bytes(b"")
    (store / "status" / "c" / "4").write_bytes(bytes([COMPLETE]))
    assert held.status(FEBRUARY.shift(1)) == EMPTY, "outside the axis, whatever lies there"
    assert held.complete_months() == [FEBRUARY]
    assert (EMPTY, BEING_WRITTEN, COMPLETE) == (0, 1, 2)


def test_a_status_is_a_byte_and_anything_odd_is_not_complete(tmp_path: Path) -> None:
    chunks = tmp_path / "status" / "c"
    chunks.mkdir(parents=True)
    for slot, content in enumerate((b"\x00", b"\x01", b"\x02", b"", b"\x03", b"\xff", b"\x02\x02")):
        (chunks / str(slot)).write_bytes(content)
    found = [read_status(tmp_path, slot) for slot in range(8)]
    assert found == [EMPTY, BEING_WRITTEN, COMPLETE, *[BEING_WRITTEN] * 4, EMPTY]


def test_an_axis_that_changed_is_seen_by_the_same_process(tmp_path: Path) -> None:
    store = write_store(tmp_path / "cube.zarr", NOVEMBER, DECEMBER, {}, {})
    set_time(store / "zarr.json", 0)
    assert cached_header(store).last == DECEMBER  # type: ignore[union-attr]
    write_store(store, NOVEMBER, FEBRUARY, {}, {})
    assert cached_header(store).last == FEBRUARY  # type: ignore[union-attr]


def test_no_store_and_empty_folders_are_no_cube(tmp_path: Path) -> None:
    assert cached_header(tmp_path / "gone.zarr") is None
    (tmp_path / "cube.zarr" / "status" / "c").mkdir(parents=True)
    assert cached_header(tmp_path / "cube.zarr") is None


def _foreign(name: str, content: str) -> Callable[[Path], object]:
    def make(store: Path) -> None:
        store.mkdir()
        (store / name).write_text(content)

    return make


def _ours(**changes: Any) -> Callable[[Path], object]:
    """Write a root alone, as ours but for the changes."""

    def make(store: Path) -> None:
        write_store(store, NOVEMBER, FEBRUARY, {}, {})
        shutil.rmtree(store / "status")
        root = json.loads((store / "zarr.json").read_text())
        root["attributes"]["s1monthly"] |= changes
        (store / "zarr.json").write_text(json.dumps(root))

    return make


def test_a_store_of_others_is_described(tmp_path: Path) -> None:
    for number, (names, says) in enumerate(
        [
            ((".zgroup", "VV_dB/.zarray"), "a Zarr v2 store with the band VV_dB, as S1-GRiTS writes"),
            ((".zmetadata", "elevation/.zarray"), "a Zarr v2 store"),
            (("HH_dB/zarr.json",), "a folder without zarr.json"),
            (("zarr.json",), "a store whose zarr.json is damaged (Expecting value: line 1 column 1 (char 0))"),
        ]
    ):
        store = tmp_path / str(number)
        for name in names:
            (store / name).parent.mkdir(parents=True, exist_ok=True)
            (store / name).touch()
        assert foreign_store(store) == says
    _foreign("zarr.json", '{"zarr_format": 3, "attributes": {}}')(tmp_path / "v3")
    assert foreign_store(tmp_path / "v3") == "a Zarr v3 store"
    (tmp_path / "v3" / "HH_dB").mkdir()
    assert foreign_store(tmp_path / "v3") == "a Zarr v3 store with the band HH_dB, as S1-GRiTS writes"
    (tmp_path / "folders" / "status" / "c").mkdir(parents=True)
    assert [foreign_store(tmp_path / name) for name in ("gone", "folders")] == [None, None]
    _ours()(tmp_path / "ours")
    assert foreign_store(tmp_path / "ours") is None


@pytest.mark.parametrize(
    "make",
    [
        _foreign(".zgroup", '{"zarr_format": 2}'),
        _foreign("zarr.json", '{"attributes": null}'),
        _foreign("zarr.json", '{"attributes": {"s1monthly": []}}'),
        _foreign("zarr.json", "[]"),
        _ours(first="2021-13"),
        _ours(first=None),
        _ours(chunks=[1]),
        _ours(tile="10SJD"),
        _ours(direction="UP"),
        _ours(grid={"width": 1, "height": 1}),
        _ours(last="2021-10"),
    ],
    ids=["zarr2", "null", "list", "root-list", "month", "null-month", "chunks", "tile", "direction", "grid", "axis"],
)
def test_what_is_not_ours_is_refused_by_name(tmp_path: Path, make: Callable[[Path], object]) -> None:
    store = tmp_path / "S1_monthly.zarr"
    make(store)
    with pytest.raises(CubeError) as refusal:
        cached_header(store)
    assert f"{store}: not a cube of this product: " in refusal.value.problem and "base_dir" in refusal.value.remedy
