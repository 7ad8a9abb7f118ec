"""The pictures of a month read back from the cube: the very files that the writers make of its bands."""

from __future__ import annotations

import shutil
import weakref
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from s1monthly.catalog.item import output_bands, processing_tags
from s1monthly.cube.header import how_to_mend
from s1monthly.cube.months import read_bands
from s1monthly.cube.write import write_month
from s1monthly.errors import CubeError, ProductError
from s1monthly.model import Month
from s1monthly.raster.cog import write_cog
from s1monthly.raster.writing import write_preview
from s1monthly.records.month import Record, read_record
from s1monthly.stages import publish as publishing
from s1monthly.stages.publish import remove_stale, write_pictures
from support.small_tree import SmallTree


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Record, Path]:
    """A cube, the record of its month, and a folder with COG and preview written from the values it was made of."""
    tree = SmallTree(tmp_path_factory.mktemp("tree") / "output")
    key = tree.add("2021-11")
    tree.make(key)
    record, (values, _) = read_record(tree.path("record", key)), tree.values(key)
    expected = tmp_path_factory.mktemp("expected")
    write_cog(expected / "a.tif", values.values(), record.grid, output_bands(record), processing_tags(record))
    shown = (values[name] for name in ("VV_dB", "VH_dB", "Ratio"))
    write_preview(expected / "a.png", *shown, record.grid)
    return tree.path("cube", key), record, expected


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("wanted", [("a.tif", "a.png"), ("a.tif",), ("a.png",), ()])
def test_what_is_wanted_is_written_and_nothing_else(
    month: tuple[Path, Record, Path], tmp_path: Path, wanted: tuple[str, ...], threads: int
) -> None:
    cube, record, expected = month
    cog, preview = (tmp_path / name if name in wanted else None for name in ("a.tif", "a.png"))
    checksum = write_pictures(record, cube, cog, preview, threads=threads)
    assert checksum == (sha256(cog.read_bytes()).hexdigest() if cog else None)
    made = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    names = [*wanted, *["a.png.aux.xml"] * ("a.png" in wanted)]
    assert made == {name: (expected / name).read_bytes() for name in names}


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("wanted", ["a.tif", "a.png"])
def test_a_month_that_is_not_what_its_record_says_is_not_shown(
    month: tuple[Path, Record, Path], tmp_path: Path, wanted: str, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def with_one_band_more(store: Path, key: Month, *_: object) -> Iterator[tuple[str, np.ndarray]]:
        found = list(read_bands(store, key))
        yield from [*found, ("VV_glcm_contrast", found[0][1])]
        raise CubeError("holds other values than its record says", "")

    cube, record, _ = month
    paths = [tmp_path / name if name == wanted else None for name in ("a.tif", "a.png")]
    for _ in range(2):
        with pytest.raises(CubeError, match="holds other values than its record says"):
            write_pictures(replace(record, digest="0" * 64), cube, *paths, threads=threads)
        monkeypatch.setattr(publishing, "read_checked", with_one_band_more)
    assert list(tmp_path.iterdir()) == []


def swapped(values: np.ndarray) -> np.ndarray:
    """Exchange two pixels of other values: no statistic of all pixels tells."""
    first, second = (100, 10), (200, 20)
    other = values.copy()
    other[first], other[second] = values[second], values[first]
    assert other[first] != values[first] and sorted(other.ravel()) == sorted(values.ravel())
    return other


@pytest.mark.parametrize("changed", ["VV_dB", "RVI", "count"])
def test_pixels_in_other_places_are_not_shown(tmp_path: Path, changed: str) -> None:
    tree = SmallTree(tmp_path / "output")
    key = tree.add("2021-11")
    tree.make(key, "cube", "record")
    values, count = tree.values(key)
    if changed == "count":
        count[100, 10] += 1
    else:
        values[changed] = swapped(np.nan_to_num(values[changed])) + 0 * values[changed]
    write_month(tree.path("cube", key), key.month, values, count)
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    record = read_record(tree.path("record", key))
    with pytest.raises(CubeError, match=r"other values than its record says") as caught:
        write_pictures(record, tree.path("cube", key), pictures / "a.tif", pictures / "a.png")
    assert caught.value.remedy == how_to_mend(tree.path("cube", key)), "the record alone tells the true digest"
    assert list(pictures.iterdir()) == []


def test_no_band_is_held_for_a_preview_that_is_not_wanted(
    month: tuple[Path, Record, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A band of a usual tile is 54 MB."""

    def held_at_the_end(path: Path, bands: Iterator[np.ndarray], *given: object) -> SimpleNamespace:
        alive = [weakref.ref(band) for band in bands]
        assert len(alive) == 4 and sum(band() is not None for band in alive[:-1]) == 0
        return SimpleNamespace(sha256="")

    monkeypatch.setattr(publishing, "write_cog", held_at_the_end)
    cube, record, _ = month
    write_pictures(record, cube, tmp_path / "a.tif", None)


def test_pictures_that_are_not_wanted_go_where_they_may_be_of_other_values(
    month: tuple[Path, Record, Path], tmp_path: Path
) -> None:
    _, record, expected = month
    cog, preview = tmp_path / "a.tif", tmp_path / "a.png"
    assert remove_stale(record, cog, preview) == []
    shutil.copytree(expected, tmp_path, dirs_exist_ok=True)
    assert remove_stale(record, None, None) == []
    assert remove_stale(record, cog, None) == [], "of the record's values"
    side = tmp_path / "a.png.aux.xml"
    assert remove_stale(replace(record, digest="0" * 64), cog, preview) == [preview, side, cog]
    assert list(tmp_path.iterdir()) == []
    cog.write_bytes(b"none that tells its values")
    assert remove_stale(record, cog, None) == [cog]


def test_a_preview_that_cannot_be_written_is_reported(
    month: tuple[Path, Record, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*given: object) -> None:
        raise ProductError("a.png: cannot be written", "check free space")

    monkeypatch.setattr(publishing, "write_preview", refused)
    cube, record, _ = month
    with pytest.raises(ProductError, match=r"a\.png: cannot be written"):
        write_pictures(record, cube, tmp_path / "a.tif", tmp_path / "a.png")
