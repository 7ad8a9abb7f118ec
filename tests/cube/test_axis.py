"""The cube's axis and bands: any order and side by side, longer, earlier, with more bands, started anew, or refused."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import random
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import zarr
from zarr.core.buffer import default_buffer_prototype

from s1monthly.cube import months as cube
from s1monthly.cube import transaction as cube_files
from s1monthly.cube.axis import prepare
from s1monthly.cube.header import Status, adds_only_bands
from s1monthly.cube.layout import CubeSpec
from s1monthly.cube.write import write_month
from s1monthly.errors import CubeError
from s1monthly.model import Direction, Month, Tile
from support.cube_samples import (
    BOX,
    CORE,
    EVERY,
    OTHER_RECIPE,
    RECIPE,
    TEXTURE_RECIPE,
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
def held(tmp_path: Path) -> Path:
    return started(tmp_path / "S1_monthly.zarr")


# order


def test_any_order_gives_the_same_bytes(tmp_path: Path) -> None:
    texts = ["2019-11", "2020-01", "2020-02", "2020-04"]
    forwards, backwards, mixed = (tmp_path / f"{name}.zarr" for name in ("forwards", "backwards", "mixed"))
    prepare(forwards, spec_of(), *months("2019-10", "2020-05"))
    for text in texts:
        write(forwards, text)
    for text in reversed(texts):
        prepare(backwards, spec_of(), Month.parse(text), Month.parse(text))
        write(backwards, text)
    prepare(backwards, spec_of(), *months("2019-10", "2020-05"))
    prepare(mixed, spec_of(), *months("2020-02", "2020-02"))
    write(mixed, "2020-02", version=2)
    prepare(mixed, spec_of(dict(reversed(RECIPE.items()))), *months("2020-01", "2020-05"))
    write(mixed, "2020-01")
    prepare(mixed, spec_of(), *months("2019-10", "2019-10"))
    for text in ("2020-04", "2019-11", "2020-02"):
        write(mixed, text)
    wanted = tree(forwards)
    assert tree(backwards) == wanted and tree(mixed) == wanted
    assert [entry for entry in tmp_path.iterdir() if ".part" in entry.name] == []


def _write_some(path: Path, texts: list[str]) -> list[str]:
    return [write(path, text) for text in texts]


def test_shuffled_months_of_three_processes_under_a_growing_axis_give_the_same_bytes(tmp_path: Path) -> None:
    alone, together = tmp_path / "alone.zarr", tmp_path / "together.zarr"
    every = [str(month) for month in Month(2020, 1).until(Month(2020, 9))]
    prepare(alone, spec_of(), *months("2019-03", "2021-02"))
    _write_some(alone, every)
    prepare(together, spec_of(), *months("2020-01", "2020-09"))
    chance = random.Random(4)
    with ProcessPoolExecutor(3, mp_context=multiprocessing.get_context("spawn")) as pool:
        for share in (every[:5], every[3:7], every[6:]):  # some months are written by two processes
            pool.submit(_write_some, together, chance.sample(share, len(share)) * 2)
        last = pool.submit(_write_some, together, ["2020-04"])
        first, final = Month(2020, 1), Month(2020, 9)
        while not last.done() or first > Month(2019, 3) or final < Month(2021, 2):
            if chance.random() < 0.5:
                first = max(first.shift(-1), Month(2019, 3))
            else:
                final = min(final.shift(1), Month(2021, 2))
            prepare(together, spec_of(), first, final)
    assert tree(together) == tree(alone)


# extension


def test_metadata_of_arrays_have_the_bytes_that_zarr_gives_them(tmp_path: Path) -> None:
    prepare(tmp_path / "cube", spec_of(RECIPE | {"quality": True}), Month(2021, 1), Month(2021, 2))
    arrays = [path for path in (tmp_path / "cube").rglob("zarr.json") if '"array"' in path.read_text()]
    arrays = [path for path in arrays if '"consolidated_metadata"' not in path.read_text()]
    assert len(arrays) == 4 + 3 + 5 + 2 * (4 + 4)
    for path in arrays:
        written = zarr.open_array(path.parent, mode="r").metadata.to_buffer_dict(default_buffer_prototype())
        assert path.read_bytes() == written["zarr.json"].to_bytes(), path


def test_prepare_returns_the_axis_and_never_shrinks(held: Path) -> None:
    before = tree(held)
    times = {file: file.stat().st_mtime_ns for file in held.rglob("*")}
    assert prepare(held, spec_of(), *months("2020-02", "2020-03")) == months("2020-01", "2020-04")
    assert tree(held) == before and {file: file.stat().st_mtime_ns for file in held.rglob("*")} == times
    assert prepare(held, spec_of(), *months("2018-02", "2018-03")) == months("2018-02", "2020-04")
    assert cube.state(held).complete == (Month(2020, 1), Month(2020, 3))


@pytest.mark.parametrize(("axis", "slot"), [(("2019-01", "2019-01"), "14"), (("2020-05", "2021-05"), "2")])
def test_another_axis_writes_no_value(held: Path, axis: tuple[str, str], slot: str) -> None:
    inode = (held / "RVI" / "c" / "2" / "0" / "1").stat().st_ino
    prepare(held, spec_of(), *months(*axis))
    moved = (held / "RVI" / "c" / slot / "0" / "1").stat()
    assert (moved.st_ino, moved.st_nlink) == (inode, 1)
    np.testing.assert_array_equal(cube.read_month(held, Month(2020, 3), "RVI"), core_of("2020-03")[0]["RVI"])


# refusals


def test_another_recipe_grid_or_band_set_is_refused(held: Path) -> None:
    before, axis = tree(held), months("2020-01", "2021-04")
    shifted = replace(BOX, left=BOX.left + 30)
    for spec, said in [
        (spec_of(OTHER_RECIPE), r'recipe.level: "hARDCp" in the cube, "ARDC" asked for'),
        (spec_of(RECIPE | {"seed": 1}), "recipe.seed: nothing in the cube, 1 asked for"),
        (spec_of(RECIPE | {"despeckle": {"method": "none"}}), "recipe.despeckle.reg_param: 5.0 in the cube, nothing"),
        (spec_of(box=shifted), r"grid.left: 600000.0 in the cube, 600030.0 asked for"),
        (spec_of(chunk=16), r"chunks: \[32, 32\] in the cube, \[16, 16\] asked for"),
        (spec_of(of=EVERY), r'bands: .* in the cube, .*"VH_glcm_contrast"\] asked for'),
        (spec_of(of=CORE[:3]), r'bands: .*"RVI"\] in the cube, .*"Ratio"\] asked for'),
    ]:
        with pytest.raises(CubeError, match=said) as caught:
            prepare(held, spec, *axis, covered=cube.state(held).complete)
        assert "another base_dir" in caught.value.remedy and "overwrite: true" in caught.value.remedy
        assert "2020-01 to 2020-04" in caught.value.remedy
        assert tree(held) == before
    for elsewhere in (replace(spec_of(), tile=Tile("10SGE")), replace(spec_of(), direction=Direction.DESCENDING)):
        with pytest.raises(CubeError, match="belongs elsewhere"):
            prepare(held, elsewhere, *axis, replace=True)
        assert tree(held) == before


def test_a_band_of_another_type_is_refused(held: Path) -> None:
    _store_as_double(held)
    with pytest.raises(CubeError, match="array VV_dB: another data_type"):
        prepare(held, spec_of(), *months("2020-01", "2020-01"))
    prepare(held, spec_of(), *months("2020-01", "2020-01"), replace=True)
    assert cube.state(held).complete == ()


# started anew


@pytest.mark.parametrize("spec", [spec_of(OTHER_RECIPE), spec_of(chunk=16), spec_of(box=replace(BOX, top=0.0))])
def test_replacing_begins_anew_with_the_same_axis(held: Path, tmp_path: Path, spec: CubeSpec) -> None:
    assert prepare(held, spec, *months("2020-03", "2020-06"), replace=True) == months("2020-01", "2020-06")
    fresh = tmp_path / "fresh.zarr"
    prepare(fresh, spec, *months("2020-01", "2020-06"))
    assert tree(held) == tree(fresh)
    assert cube.state(held).complete == ()


def test_replacing_with_the_same_recipe_keeps_the_months(held: Path) -> None:
    before = tree(held)
    prepare(held, spec_of(), *months("2020-01", "2020-02"), replace=True)
    assert tree(held) == before


def _store_as_double(path: Path) -> None:
    """Let the metadata say that a band is stored otherwise."""
    for file in (path / "zarr.json", path / "VV_dB" / "zarr.json"):
        file.write_text(file.read_text().replace('"float32"', '"float64"', 1))


@pytest.mark.parametrize(
    ("spec", "options"),
    [
        (spec_of(OTHER_RECIPE), {"replace": True}),
        (textured(), {"covered": months("2020-01", "2020-03")}),
        (spec_of(), {"replace": True}),
    ],
)
def test_a_cube_that_became_another_refuses_a_month_made_before(
    held: Path, spec: CubeSpec, options: dict[str, object]
) -> None:
    values, count = core_of("2020-02")
    if spec == spec_of():
        _store_as_double(held)

    def arrives_late() -> Iterator[tuple[str, np.ndarray]]:
        prepare(held, spec, *months("2020-02", "2020-02"), **options)
        yield from values.items()

    with pytest.raises(CubeError, match="started anew, or given bands, in the meantime"):
        write_month(held, Month(2020, 2), arrives_late(), count)
    assert cube.state(held).complete == ()


# an older version's cube


def test_a_cube_is_compressed_as_it_was_made(held: Path) -> None:
    for file in (held / "zarr.json", held / "VV_dB" / "zarr.json"):
        metadata = json.loads(file.read_text())
        array = metadata if file.parent.name == "VV_dB" else metadata["consolidated_metadata"]["metadata"]["VV_dB"]
        array["codecs"][1]["configuration"] |= {"cname": "zstd", "clevel": 3}
        file.write_text(json.dumps(metadata, indent=2))
    write(held, "2020-01")
    chunk = (held / "VV_dB" / "c" / "0" / "1" / "1").read_bytes()
    assert chunk[2] >> 5 == 4, "blosc's flag for zstd"
    prepare(held, spec_of(), *months("2019-12", "2020-06"))
    write(held, "2020-05")
    assert (held / "VV_dB" / "c" / "1" / "1" / "1").read_bytes() == chunk
    found = [json.loads((held / name / "zarr.json").read_text())["codecs"][1] for name in ("VV_dB", "VH_dB")]
    assert [codec["configuration"]["cname"] for codec in found] == ["zstd", "lz4"]
    for text in ("2020-01", "2020-05"):
        np.testing.assert_array_equal(cube.read_month(held, Month.parse(text), "VV_dB"), core_of(text)[0]["VV_dB"])


@pytest.mark.parametrize("name", ["VV_dB", "count"])
@pytest.mark.parametrize("damage", ["folder", "file", "text"])
def test_an_array_that_is_lost_is_not_taken_for_empty(held: Path, name: str, damage: str) -> None:
    if damage == "folder":
        (held / name).rename(held.parent / "away")
    elif damage == "file":
        (held / name / "zarr.json").unlink()
    else:
        (held / name / "zarr.json").write_text("{")
    before = tree(held)
    with pytest.raises(CubeError, match=name):
        cube.month_digest(held, Month(2020, 1))
    with pytest.raises(CubeError, match=name):
        cube.read_count(held, Month(2020, 1)) if name == "count" else cube.read_month(held, Month(2020, 1), name)
    with pytest.raises(CubeError, match=name):
        write(held, "2020-01", 2)
    assert tree(held) == before


def test_metadata_of_an_older_version_are_brought_up_to_date(held: Path) -> None:
    wanted = tree(held)
    for file in (held / "zarr.json", held / "VV_dB" / "zarr.json"):
        file.write_text(
            file.read_text().replace('"ancillary_variables": "count status"', '"ancillary_variables": "count"')
        )
    assert tree(held) != wanted
    prepare(held, spec_of(), *months("2020-01", "2020-01"))
    assert tree(held) == wanted


# more bands


def test_added_bands_wait_for_their_months(held: Path) -> None:
    prepare(held, textured(), *months("2019-12", "2020-05"), covered=months("2020-01", "2020-03"))
    waiting, none = Status.BEING_WRITTEN, Status.EMPTY
    assert statuses(held) == [none, waiting, none, waiting, none, none], "not complete, for a band is lacking"
    with pytest.raises(CubeError, match="2020-01 is being written, not complete"):
        cube.read_month(held, Month(2020, 1), "VV_dB")
    group = zarr.open_group(held, mode="r")
    values = month_of("2020-01")[0]
    for band in CORE:
        np.testing.assert_array_equal(group[band.name][1], values[band.name])  # for who reads it all the same
    for band in TEXTURES:
        assert np.isnan(group[band.name][1]).all()
    write(held, "2020-01")
    np.testing.assert_array_equal(cube.read_month(held, Month(2020, 1), "VV_dB"), values["VV_dB"])
    np.testing.assert_array_equal(cube.read_month(held, Month(2020, 1), "VV_glcm_contrast"), values["VV_glcm_contrast"])
    assert cube.state(held).complete == (Month(2020, 1),)


def test_added_bands_give_the_bytes_of_a_cube_that_had_them_from_the_start(held: Path, tmp_path: Path) -> None:
    fresh, other_order = tmp_path / "fresh.zarr", started(tmp_path / "other.zarr")
    covered = months("2020-01", "2020-03")
    prepare(fresh, textured(), *months("2019-12", "2020-04"))
    for text in ("2020-01", "2020-03", "2019-12"):
        write(fresh, text)
    prepare(held, textured(), *months("2019-12", "2020-04"), covered=covered)
    for text in ("2019-12", "2020-03", "2020-01"):
        write(held, text)
    prepare(other_order, textured(), *months("2020-01", "2020-04"), covered=covered)
    write(other_order, "2020-03", version=2)
    prepare(other_order, textured(), *months("2019-12", "2020-04"), covered=covered)
    for text in ("2020-01", "2020-03", "2019-12"):
        write(other_order, text)
    assert tree(held) == tree(fresh) == tree(other_order)
    before = tree(held)
    prepare(held, textured(), *months("2020-01", "2020-01"), covered=covered)
    assert tree(held) == before, "asked for again, nothing is to be made again"


def test_bands_are_added_by_a_run_that_covers_every_complete_month(held: Path) -> None:
    before = tree(held)
    for covered in ((), months("2020-01", "2020-02")):
        with pytest.raises(
            CubeError, match=r"VV_glcm_contrast, VH_glcm_contrast can be added .* not covered: .*2020-03"
        ):
            prepare(held, textured(), *months("2020-01", "2020-02"), covered=covered)
        assert tree(held) == before
    (held / "status" / "c" / "2").write_bytes(b"\x01")
    prepare(held, textured(), *months("2020-01", "2020-02"), covered=months("2020-01", "2020-02"))
    assert statuses(held)[2] == Status.BEING_WRITTEN, "it was not complete before, and is not now"


def test_bands_are_never_taken_out(held: Path) -> None:
    covered = months("2020-01", "2020-03")
    prepare(held, textured(), *months("2020-01", "2020-02"), covered=covered)
    write(held, "2020-01")
    before = tree(held)
    with pytest.raises(CubeError, match=r"glcm.* in the cube, .* asked for; recipe.algorithms"):
        prepare(held, spec_of(), *months("2020-01", "2020-02"), covered=covered)
    assert tree(held) == before
    prepare(held, spec_of(), *months("2020-01", "2020-02"), replace=True)
    assert cube.state(held).bands == tuple(band.name for band in CORE) and cube.state(held).complete == ()


@pytest.mark.parametrize(
    ("held_recipe", "wanted", "alone"),
    [
        (RECIPE, TEXTURE_RECIPE, True),
        (RECIPE | {"textures": None}, TEXTURE_RECIPE, True),
        (RECIPE | {"algorithms": {"bands": 1}}, TEXTURE_RECIPE | {"algorithms": {"bands": 1, "texture": 1}}, True),
        (RECIPE | {"algorithms": {"bands": 1}}, TEXTURE_RECIPE | {"algorithms": {"bands": 2, "texture": 1}}, False),
        (OTHER_RECIPE, TEXTURE_RECIPE, False),
        (RECIPE, RECIPE, False),
        (RECIPE, RECIPE | {"seed": 1}, False),
        (TEXTURE_RECIPE, RECIPE, False),
        (TEXTURE_RECIPE, TEXTURE_RECIPE | {"textures": {"window_size": 7, "metrics": ["contrast"]}}, False),
        (TEXTURE_RECIPE, TEXTURE_RECIPE | {"algorithms": {"texture": 2}}, False),
        (RECIPE, TEXTURE_RECIPE | {"spread": ["std"]}, True),
        (TEXTURE_RECIPE, TEXTURE_RECIPE | {"spread": ["std"]}, True),
        (TEXTURE_RECIPE, RECIPE | {"spread": ["std"]}, False),
        (RECIPE | {"spread": ["std"]}, RECIPE | {"spread": ["min", "std"]}, False),
    ],
)
def test_a_recipe_that_adds_bands_alone(held_recipe: dict, wanted: dict, alone: bool) -> None:
    before = json.dumps([held_recipe, wanted])
    assert adds_only_bands(held_recipe, wanted) is alone
    assert json.dumps([held_recipe, wanted]) == before


def test_a_cube_is_not_begun_anew_over_months_that_the_run_does_not_make(held: Path) -> None:
    """Not even where months may be overwritten: whatever differs, what is not made again would be lost."""
    complete = cube.state(held).complete
    before = tree(held)
    for spec in (spec_of(OTHER_RECIPE), textured()):
        with pytest.raises(CubeError, match=f"would lose {complete[-1]}"):
            prepare(held, spec, complete[0], complete[-1], replace=True, covered=complete[:-1])
        assert tree(held) == before
    prepare(held, spec_of(OTHER_RECIPE), complete[0], complete[-1], replace=True, covered=complete)
    assert cube.state(held).complete == ()


def test_values_of_another_recipe_are_not_taken(held: Path) -> None:
    """Another run began the cube anew while these values were computed."""
    month = cube.state(held).complete[0]
    values, count = month_of(str(month))
    before = tree(held)
    with pytest.raises(CubeError, match="another recipe than these values"):
        write_month(held, month, values, count, OTHER_RECIPE)
    assert tree(held) == before
    values = {name: values[name] for name in cube.state(held).bands}
    assert write_month(held, month, values, count, cube.state(held).recipe) == cube.month_digest(held, month)


def test_without_locks_a_younger_staging_folder_is_left_alone(held: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody can tell whether its writer lives."""

    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, "no locks here")

    monkeypatch.setattr(cube_files.fcntl, "flock", no_locks)
    young, old = (held.with_name(f"{held.name}.axis.{name}.part") for name in ("young", "old"))
    for folder in (young, old):
        folder.mkdir()
        (folder / "lock").touch()
    os.utime(old / "lock", (0, 0))
    prepare(held, spec_of(), *months("2020-01", "2020-02"))
    assert young.exists() and not old.exists()
