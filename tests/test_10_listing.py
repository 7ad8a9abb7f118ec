"""What lies in a folder of granules, by names and sizes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from s1monthly.errors import SourceError
from s1monthly.listing import digests, find_layer_files
from s1monthly.vocabulary import Month

NOVEMBER = "OPERA_L2_RTC-S1_T137-292318-IW1_20211119T015854Z_20250830T120333Z_S1A_30_v1.0"
DECEMBER = "OPERA_L2_RTC-S1_T137-292318-IW1_20211201T015853Z_20250830T120333Z_S1A_30_v1.0"


def put(path: Path, size: int = 10) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(size))
    return path


def test_layers_are_found_at_any_depth_and_grouped_by_granule(tmp_path: Path) -> None:
    vv = put(tmp_path / "a" / "b" / f"{NOVEMBER}_VV.tif", 11)
    vh = put(tmp_path / "c" / f"{NOVEMBER}_VH.tif", 12)
    mask = put(tmp_path / f"{NOVEMBER}_mask.tif", 13)
    other = put(tmp_path / f"{DECEMBER}_HH.tif", 14)
    assert find_layer_files(tmp_path) == {
        NOVEMBER: {"VV": (str(vv), 11), "VH": (str(vh), 12), "mask": (str(mask), 13)},
        DECEMBER: {"HH": (str(other), 14)},
    }


def test_other_files_and_hidden_folders_are_passed_over(tmp_path: Path) -> None:
    kept = put(tmp_path / f"{NOVEMBER}_VV.tif")
    put(tmp_path / f"{NOVEMBER}_VV.tif.aux.xml")
    put(tmp_path / f"{NOVEMBER}.h5")
    put(tmp_path / "OPERA_L2_RTC-S1-STATIC_T137-292318-IW1_20140403_S1A_30_v1.0_mask.tif")
    put(tmp_path / ".half-made" / f"{DECEMBER}_VV.tif")
    assert find_layer_files(tmp_path) == {NOVEMBER: {"VV": (str(kept), 10)}}


def test_relative_paths_stay_relative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "granules" / f"{NOVEMBER}_VV.tif")
    monkeypatch.chdir(tmp_path)
    assert find_layer_files("granules")[NOVEMBER]["VV"][0] == os.path.join("granules", f"{NOVEMBER}_VV.tif")


def test_linked_folders_are_followed_once_and_loops_end(tmp_path: Path) -> None:
    put(tmp_path / "elsewhere" / f"{NOVEMBER}_VV.tif")
    folder = tmp_path / "granules"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path / "elsewhere")
    (folder / "same").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "back").symlink_to(folder)
    found = find_layer_files(folder)
    assert list(found) == [NOVEMBER]
    assert Path(found[NOVEMBER]["VV"][0]).resolve() == tmp_path / "elsewhere" / f"{NOVEMBER}_VV.tif"


def test_of_equal_duplicates_the_first_path_is_taken(tmp_path: Path) -> None:
    put(tmp_path / "b" / f"{NOVEMBER}_VV.tif")
    first = put(tmp_path / "a" / f"{NOVEMBER}_VV.tif")
    assert find_layer_files(tmp_path)[NOVEMBER]["VV"] == (str(first), 10)


def test_duplicates_of_different_size_are_refused_by_both_names(tmp_path: Path) -> None:
    paths = [put(tmp_path / name / f"{NOVEMBER}_VV.tif", size) for name, size in (("a", 10), ("b", 11))]
    with pytest.raises(SourceError) as error:
        find_layer_files(tmp_path)
    assert all(str(path) in error.value.problem for path in paths)


@pytest.mark.parametrize("make", [lambda p: None, lambda p: p.write_text(""), lambda p: p.mkdir()])
def test_a_missing_a_false_and_an_empty_folder_are_refused(tmp_path: Path, make: object) -> None:
    folder = tmp_path / "granules"
    make(folder)  # type: ignore[operator]
    with pytest.raises(SourceError, match=r"granules.*source\.path"):
        find_layer_files(folder)


def test_a_granule_file_that_cannot_be_reached_is_named(tmp_path: Path) -> None:
    (tmp_path / f"{NOVEMBER}_VV.tif").symlink_to(tmp_path / "gone")
    with pytest.raises(SourceError, match=f"{NOVEMBER}_VV.tif"):
        find_layer_files(tmp_path)


def test_a_folder_that_cannot_be_listed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / f"{NOVEMBER}_VV.tif")
    (tmp_path / "closed").mkdir()
    scandir = os.scandir

    def guarded(folder: str) -> Iterator[os.DirEntry[str]]:
        if folder.endswith("closed"):
            raise PermissionError(13, "Permission denied", folder)
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", guarded)
    with pytest.raises(SourceError, match=r"closed.*Permission denied"):
        find_layer_files(tmp_path)


def test_a_digest_follows_granules_layers_and_sizes_of_its_month_alone() -> None:
    held = {NOVEMBER: {"VV": ("a/x.tif", 10), "VH": ("a/y.tif", 10)}}
    november, december = Month(2021, 11), Month(2021, 12)
    before = digests(held)
    assert set(before) == {november}
    assert digests({NOVEMBER: {"VH": ("b/y.tif", 10), "VV": ("b/x.tif", 10)}}) == before
    both = digests(held | {DECEMBER: {"VV": ("a/z.tif", 10)}})
    assert set(both) == {november, december} and both[november] == before[november] != both[december]
    changed = [
        {NOVEMBER: {"VV": ("a/x.tif", 11), "VH": ("a/y.tif", 10)}},
        {NOVEMBER: {"VV": ("a/x.tif", 10)}},
        {NOVEMBER.replace("v1.0", "v1.1"): held[NOVEMBER]},
        held | {NOVEMBER.replace("IW1", "IW2"): {"VV": ("a/z.tif", 10)}},
    ]
    assert len({before[november], *(digests(files)[november] for files in changed)}) == 5
    assert digests({}) == {}
