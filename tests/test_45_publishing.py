"""The pictures of a month read back from the cube: the very files that the writers make of its bands."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from s1monthly import publishing
from s1monthly.cog import write_cog
from s1monthly.errors import ProductError
from s1monthly.publishing import write_pictures
from s1monthly.rasters import write_preview
from s1monthly.records import Record, read_record
from s1monthly.stac import output_bands, processing_tags
from small_tree import SmallTree


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
    assert made == {name: (expected / name).read_bytes() for name in wanted}


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("wanted", ["a.tif", "a.png"])
def test_a_month_that_is_not_what_its_record_says_is_not_shown(
    month: tuple[Path, Record, Path], tmp_path: Path, wanted: str, threads: int
) -> None:
    cube, record, _ = month
    other = replace(record.bands["Ratio"], valid=record.bands["Ratio"].valid + 1)
    altered = replace(record, bands={**record.bands, "Ratio": other})
    paths = [tmp_path / name if name == wanted else None for name in ("a.tif", "a.png")]
    with pytest.raises(ProductError, match="band Ratio in the cube is not what the record says"):
        write_pictures(altered, cube, *paths, threads=threads)
    assert list(tmp_path.iterdir()) == []


def test_a_preview_that_cannot_be_written_is_told(
    month: tuple[Path, Record, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*given: object) -> None:
        raise ProductError("a.png: cannot be written", "check free space")

    monkeypatch.setattr(publishing, "write_preview", refused)
    cube, record, _ = month
    with pytest.raises(ProductError, match=r"a\.png: cannot be written"):
        write_pictures(record, cube, tmp_path / "a.tif", tmp_path / "a.png")
