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
import rasterio
from rio_cogeo.cogeo import cog_validate

from s1monthly.audit.products import cog_faults
from s1monthly.catalog.lineage import output_bands, processing_tags
from s1monthly.cube.header import how_to_mend
from s1monthly.cube.months import read_bands
from s1monthly.cube.write import write_month
from s1monthly.errors import CubeError, ProductError
from s1monthly.layout import Layout
from s1monthly.model import Month
from s1monthly.raster.cog import write_cog
from s1monthly.raster.writing import write_preview
from s1monthly.records.month import Record, read_record
from s1monthly.stages import publish as publishing
from s1monthly.stages.publish import remove_stale, write_pictures
from support.small_tree import SmallTree

NAMES = {"cog": "a.tif", "preview": "a.png"}


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
    pictures = {kind: tmp_path / name for kind, name in NAMES.items() if name in wanted}
    checksums = write_pictures(record, cube, pictures, threads=threads)
    cogs = {kind: path for kind, path in pictures.items() if kind == "cog"}
    assert checksums == {kind: sha256(path.read_bytes()).hexdigest() for kind, path in cogs.items()}
    made = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    names = [*wanted, *["a.png.aux.xml"] * ("a.png" in wanted)]
    assert made == {name: (expected / name).read_bytes() for name in names}


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("wanted", ["a.tif", "a.png", "b.tif"])
def test_a_month_that_is_not_what_its_record_says_is_not_shown(
    month: tuple[Path, Record, Path], tmp_path: Path, wanted: str, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def with_one_band_more(store: Path, key: Month, *_: object) -> Iterator[tuple[str, np.ndarray]]:
        found = list(read_bands(store, key))
        yield from [*found, ("VV_glcm_contrast", found[0][1])]
        raise CubeError("holds other values than its record says", "")

    cube, record, _ = month
    pictures = {kind: tmp_path / name for kind, name in NAMES.items() if name == wanted}
    if wanted == "b.tif":
        pictures = {name: tmp_path / f"{name}.tif" for name in record.bands}
    for _ in range(2):
        with pytest.raises(CubeError, match="holds other values than its record says"):
            write_pictures(replace(record, digest="0" * 64), cube, pictures, threads=threads)
        monkeypatch.setattr(publishing, "read_checked", with_one_band_more)
    assert list(tmp_path.iterdir()) == []


def swapped(values: np.ndarray) -> np.ndarray:
    """Exchange two pixels of other values: no statistic of all pixels tells."""
    first, second = (100, 10), (150, 20)
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
        write_pictures(record, tree.path("cube", key), {kind: pictures / name for kind, name in NAMES.items()})
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
    write_pictures(record, cube, {"cog": tmp_path / "a.tif"})


def test_pictures_that_are_not_wanted_go_where_they_may_be_of_other_values(
    month: tuple[Path, Record, Path], tmp_path: Path
) -> None:
    _, record, expected = month
    place = Layout(str(tmp_path)).of(record.key)
    cog, preview, band = (Path(place.product(kind)) for kind in ("cog", "preview", "VH_dB"))
    other = replace(record, digest="0" * 64)
    assert remove_stale(record, place, ()) == []
    for path, name in ((cog, "a.tif"), (band, "a.tif"), (preview, "a.png")):
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(expected / name, path)
    side = preview.with_name(f"{preview.name}.aux.xml")
    shutil.copy(expected / "a.png.aux.xml", side)
    assert remove_stale(other, place, ("cog", "VH_dB", "preview", "item")) == []
    assert remove_stale(record, place, ("preview", "item")) == [], "of the record's values"
    assert remove_stale(record, place, ("cog", "preview")) == [band], "the other one takes its place"
    assert remove_stale(other, place, ()) == [preview, side, cog]
    cog.write_bytes(b"none that tells its values")
    assert remove_stale(record, place, ()) == [cog]
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize("threads", [1, 2])
def test_each_band_may_have_a_cog_of_its_own(month: tuple[Path, Record, Path], tmp_path: Path, threads: int) -> None:
    cube, record, expected = month
    pictures = {name: tmp_path / f"{name}.tif" for name in record.bands} | {"preview": tmp_path / "a.png"}
    checksums = write_pictures(record, cube, pictures, 128, threads)
    assert checksums == {name: sha256(pictures[name].read_bytes()).hexdigest() for name in record.bands}
    assert (tmp_path / "a.png").read_bytes() == (expected / "a.png").read_bytes()
    assert len(list(tmp_path.iterdir())) == 6, "four bands, the preview and its side file"
    with rasterio.open(expected / "a.tif") as whole:
        for number, name in enumerate(record.bands, 1):
            assert cog_validate(pictures[name], strict=True) == (True, [], []) and not cog_faults(
                pictures[name], record, name
            )
            with rasterio.open(pictures[name]) as dataset:
                np.testing.assert_array_equal(dataset.read(1), whole.read(number))
                assert dataset.descriptions == (name,) and dataset.tags() == whole.tags()
                assert dataset.tags(1) == whole.tags(number) and dataset.count == 1
    assert cog_faults(pictures["VV_dB"], record, "VH_dB") == ["bands VV_dB, not VH_dB"]


def test_a_preview_that_cannot_be_written_is_reported(
    month: tuple[Path, Record, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*given: object) -> None:
        raise ProductError("a.png: cannot be written", "check free space")

    monkeypatch.setattr(publishing, "write_preview", refused)
    cube, record, _ = month
    with pytest.raises(ProductError, match=r"a\.png: cannot be written"):
        write_pictures(record, cube, {kind: tmp_path / name for kind, name in NAMES.items()})
