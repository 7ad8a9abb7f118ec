"""A month measured while it is written: what is summed up, what is refused, and when."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from s1monthly.cube.write import write_month
from s1monthly.errors import ProductError
from s1monthly.grid.lattice import GeoBox
from s1monthly.kernels.statistics import band_statistics, count_statistics
from s1monthly.model import CompositeKey, Level, Month, Polarization
from s1monthly.records.month import Origin, Record
from s1monthly.records.record_builder import RecordBuilder, build_record
from support.cube_samples import BANDS, BOX, started, tree

KEY = CompositeKey.parse("10SGD", "ASCENDING", "2021-11")
ORIGIN = Origin((), (), (), "", {}, "", {})
GRID = GeoBox(32610, 30.0, 600000.0, 3900000.0, 2, 2)
NAN = np.nan


def measured(count: list[list[int]], **values: list[list[float]]) -> Record:
    bands = ((name, np.array(band, np.float32)) for name, band in values.items())
    return build_record(KEY, Level.ARDC, Polarization.VV_VH, GRID, bands, np.array(count, np.uint8), ORIGIN, "")


def test_a_month_is_measured_band_by_band() -> None:
    record = measured([[0, 1], [2, 3]], VV_dB=[[NAN, 1], [2, 3]], VV_glcm_contrast=[[NAN, NAN], [5, 6]])
    assert (record.valid, list(record.bands)) == (3, ["VV_dB", "VV_glcm_contrast"])
    assert record.bands["VV_glcm_contrast"].valid == 2  # without neighbours a texture has no value
    assert record.bands["VV_dB"] == band_statistics(np.array([[1, 2, 3]], np.float32))
    assert record.count == count_statistics(np.array([[1, 2, 3]], np.uint8))
    assert record.footprint and measured([[0, 0]] * 2, VV_dB=[[NAN, NAN]] * 2).footprint is None


@pytest.mark.parametrize("name", ["VV_dB", "VV_glcm_contrast"])
def test_values_where_nothing_was_seen_are_refused(name: str) -> None:
    with pytest.raises(ProductError, match=f"{KEY}: band {name} and the count of passes disagree at 1 pixels"):
        measured([[0, 1], [2, 3]], **{name: [[0, 1], [2, 3]]})


@pytest.mark.parametrize("name", ["VV_dB", "VV_dB_std"])
def test_a_band_that_lacks_values_is_refused(name: str) -> None:
    with pytest.raises(ProductError, match=f"band {name} and the count of passes disagree at 1 pixels"):
        measured([[0, 1], [2, 3]], **{name: [[NAN, 1], [NAN, 3]]})


def test_when_a_band_is_made_hardly_more_than_the_one_before_is_held() -> None:
    """Two at most: a thread may have returned its result and still hold the band."""
    count = np.ones((600, 600), np.uint8)
    made: list[weakref.ref[NDArray[np.float32]]] = []
    held = []

    def values() -> Iterator[tuple[str, NDArray[np.float32]]]:
        for number in range(8):
            held.append(sum(band() is not None for band in made))
            band = np.full(count.shape, number, np.float32)
            made.append(weakref.ref(band))
            yield f"{number}", band
            del band

    with RecordBuilder(KEY, Polarization.VV_VH, GeoBox(32610, 30.0, 0.0, 0.0, 600, 600), count) as builder:
        for name, _ in builder.measured(values()):
            assert name == str(len(made) - 1)
    assert max(held) <= 2 < len(made)


@pytest.mark.parametrize("wrong", [0, -1], ids=["first band", "last band"])
def test_a_month_whose_bands_and_count_disagree_is_not_put_in_the_cube(tmp_path: Path, wrong: int) -> None:
    store, month = started(tmp_path / "cube.zarr"), Month.parse("2020-03")
    before = tree(store)
    count = np.random.default_rng(1).integers(0, 3, BOX.shape, dtype=np.uint8)
    values = {name: np.where(count > 0, np.float32(1), np.float32(NAN)) for name in BANDS}
    spoilt = values | {BANDS[wrong]: np.ones(BOX.shape, np.float32)}

    def write(bands: dict[str, NDArray[np.float32]]) -> None:
        with RecordBuilder(KEY, Polarization.VV_VH, BOX, count) as builder:
            write_month(store, month, builder.measured(bands.items()), count)

    with pytest.raises(ProductError, match=f"band {BANDS[wrong]} and the count"):
        write(spoilt)
    assert tree(store) == before
    write(values)
    assert tree(store) != before
