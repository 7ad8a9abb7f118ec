"""What lies in a folder of granules, by names and sizes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from s1monthly.errors import SourceError
from s1monthly.layout import Layout
from s1monthly.model import Month
from s1monthly.sources.listing import digests, list_folder

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
    assert list_folder(tmp_path).files == {
        NOVEMBER: {"VV": (str(vv), 11), "VH": (str(vh), 12), "mask": (str(mask), 13)},
        DECEMBER: {"HH": (str(other), 14)},
    }


def test_other_files_and_hidden_folders_are_passed_over(tmp_path: Path) -> None:
    path = put(tmp_path / f"{NOVEMBER}_VV.tif")
    put(tmp_path / f"{NOVEMBER}_VV.tif.aux.xml")
    put(tmp_path / f"{NOVEMBER}.h5")
    put(tmp_path / "OPERA_L2_RTC-S1-STATIC_T137-292318-IW1_20140403_S1A_30_v1.0_mask.tif")
    put(tmp_path / ".half-made" / f"{DECEMBER}_VV.tif")
    assert list_folder(tmp_path).files == {NOVEMBER: {"VV": (str(path), 10)}}


def test_linked_folders_are_followed_once_and_loops_end(tmp_path: Path) -> None:
    put(tmp_path / "elsewhere" / f"{NOVEMBER}_VV.tif")
    folder = tmp_path / "granules"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path / "elsewhere")
    (folder / "same").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "back").symlink_to(folder)
    found = list_folder(folder).files
    assert list(found) == [NOVEMBER]
    assert Path(found[NOVEMBER]["VV"][0]).resolve() == tmp_path / "elsewhere" / f"{NOVEMBER}_VV.tif"


def test_of_equal_duplicates_the_first_path_is_taken(tmp_path: Path) -> None:
    put(tmp_path / "b" / f"{NOVEMBER}_VV.tif")
    first = put(tmp_path / "a" / f"{NOVEMBER}_VV.tif")
    assert list_folder(tmp_path).files[NOVEMBER]["VV"] == (str(first), 10)


def test_duplicates_of_different_size_are_refused_by_both_names(tmp_path: Path) -> None:
    paths = [put(tmp_path / name / f"{NOVEMBER}_VV.tif", size) for name, size in (("a", 10), ("b", 11))]
    with pytest.raises(SourceError) as error:
        list_folder(tmp_path)
    assert all(str(path) in error.value.problem for path in paths)


def test_two_mask_layers_of_a_granule_are_called_that(tmp_path: Path) -> None:
    put(tmp_path / f"{NOVEMBER}_VV.tif")
    paths = [
        put(tmp_path / f"{NOVEMBER}_{name}.tif", size) for size, name in enumerate(("layover_shadow_mask", "mask"))
    ]
    with pytest.raises(SourceError, match=r"two mask layers of different size.* keep one of them") as error:
        list_folder(tmp_path)
    assert all(str(path) in error.value.problem for path in paths) and "damaged" not in str(error.value)


@pytest.mark.parametrize("make", [lambda p: None, lambda p: p.write_text(""), lambda p: p.mkdir()])
def test_a_missing_a_false_and_an_empty_folder_are_refused(tmp_path: Path, make: object) -> None:
    folder = tmp_path / "granules"
    make(folder)  # type: ignore[operator]
    with pytest.raises(SourceError, match=r"granules.*source\.path"):
        list_folder(folder)


def test_a_granule_file_that_cannot_be_reached_is_named(tmp_path: Path) -> None:
    (tmp_path / f"{NOVEMBER}_VV.tif").symlink_to(tmp_path / "gone")
    with pytest.raises(SourceError, match=f"{NOVEMBER}_VV.tif"):
        list_folder(tmp_path)


def test_a_folder_that_cannot_be_listed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / f"{NOVEMBER}_VV.tif")
    (tmp_path / "closed").mkdir()
    scandir = os.scandir

    def guarded(folder: str) -> Iterator[os.DirEntry[str]]:
        if folder.endswith("closed"):
            raise PermissionError(13, "Permission denied", folder)
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", guarded)
    content = list_folder(tmp_path)
    assert list(content.files) == [NOVEMBER]
    (warning,) = content.warnings
    assert str(tmp_path / "closed") in warning and "may not be read" in warning
    with pytest.raises(SourceError, match=r"closed.*Permission denied"):
        list_folder(tmp_path / "closed")


def test_a_folder_that_fails_otherwise_stops_the_listing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / f"{NOVEMBER}_VV.tif")
    (tmp_path / "disk").mkdir()
    scandir = os.scandir

    def failing(folder: str) -> Iterator[os.DirEntry[str]]:
        if folder.endswith("disk"):
            raise OSError(5, "Input/output error", folder)
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", failing)
    with pytest.raises(SourceError, match=r"disk.*Input/output error"):  # its granules would vanish for a while
        list_folder(tmp_path)


def test_links_that_lead_nowhere_are_passed_over(tmp_path: Path) -> None:
    put(tmp_path / f"{NOVEMBER}_VV.tif")
    (tmp_path / "itself").symlink_to(tmp_path / "itself")
    (tmp_path / "gone").symlink_to(tmp_path / "nothing")
    assert list_folder(tmp_path).warnings == ()


SIMULATED = "simulated/version-1_seed-1"
OWN = f"10SGD_ASCENDING/kept/2021-11/0123456789abcdef/{DECEMBER}_VV.tif"


@pytest.mark.parametrize("spelling", ["{tree}", "{tree}/", "{tree}/../output", "link"])
def test_files_of_the_output_tree_and_work_folder_are_no_granules(tmp_path: Path, spelling: str) -> None:
    tree, link = tmp_path / "output", tmp_path / "link"
    link.symlink_to(tree)
    put(tmp_path / "granules" / f"{NOVEMBER}_VV.tif")
    put(tree / "10SGD_ASCENDING" / "zarr" / "S1_monthly.zarr" / f"{DECEMBER}_VV.tif")
    put(tree / "work" / OWN)
    put(tree / "work" / "10SGD_ASCENDING" / "2021-12" / "bursts" / f"{DECEMBER}_VV.tif")
    put(tree / "work" / SIMULATED / DECEMBER / f"{DECEMBER}_VV.tif")
    base = str(link) if spelling == "link" else spelling.format(tree=tree)
    for root in (tmp_path, tree.parent / "output" / ".."):
        content = list_folder(root, [base, f"{base}/work"])
        assert list(content.files) == [NOVEMBER] and content.warnings == ()


def test_work_folders_of_other_runs_are_known_by_their_file(tmp_path: Path) -> None:
    put(tmp_path / f"{NOVEMBER}_VV.tif")
    put(tmp_path / "other" / "work" / OWN)
    assert set(list_folder(tmp_path).files) == {NOVEMBER, DECEMBER}
    put(tmp_path / "other" / "work" / Path(Layout("out", "work").owner).name)
    assert set(list_folder(tmp_path).files) == {NOVEMBER}


@pytest.mark.parametrize("up", range(5))
def test_links_into_a_work_folder_are_passed_over(tmp_path: Path, up: int) -> None:
    put(tmp_path / "granules" / f"{NOVEMBER}_VV.tif")
    path = put(tmp_path / "work" / OWN)
    (tmp_path / "granules" / "link").symlink_to(path.parents[up])
    assert list(list_folder(tmp_path / "granules", [str(tmp_path / "work")]).files) == [NOVEMBER]


def test_granules_beside_a_runs_files_are_granules(tmp_path: Path) -> None:
    put(tmp_path / "base_dir.txt")
    put(tmp_path / OWN)
    put(tmp_path / "granules" / "10SGD_ASCENDING" / f"{NOVEMBER}_VV.tif")
    for root in (tmp_path, tmp_path / "granules", tmp_path / "granules" / "10SGD_ASCENDING"):
        assert list(list_folder(root, [str(tmp_path)]).files) == [NOVEMBER]


@pytest.mark.parametrize("work", [".", "work"])
@pytest.mark.parametrize(
    "folder",
    [
        *(f"10SGD_ASCENDING/{name}" for name in ("safe", "granules", "cog", "kept", "kept/2021-12", "2021-12", ".")),
        *("simulated", "simulated/2021", "kept/2021-12/0123456789abcdef", "2021-12/bursts", "work/simulated", "logs"),
    ],
)
def test_a_users_own_folders_in_the_output_tree_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str, work: str
) -> None:
    put(tmp_path / "granules" / f"{NOVEMBER}_VV.tif")
    put(tmp_path / folder / f"{DECEMBER}_VV.tif")
    monkeypatch.chdir(tmp_path)
    assert set(list_folder(".", [work]).files) == {NOVEMBER, DECEMBER}


def test_a_folder_in_which_a_run_keeps_its_files_is_refused_as_a_source(tmp_path: Path) -> None:
    path = put(tmp_path / "work" / OWN).parent
    with pytest.raises(SourceError, match=r"source\.path .*a run keeps its own files there"):
        list_folder(path, [str(tmp_path / "work")])


def test_simulated_granules_are_taken_where_they_are_asked_for(tmp_path: Path) -> None:
    made = put(tmp_path / "work" / SIMULATED / NOVEMBER / f"{NOVEMBER}_VV.tif")
    (tmp_path / "granules").mkdir()
    (tmp_path / "granules" / "link").symlink_to(tmp_path / "work" / "simulated")
    for root in (*made.parents[:3], tmp_path / "granules"):
        assert list(list_folder(root, [str(tmp_path / "work")]).files) == [NOVEMBER]
    (tmp_path / "granules" / "link").unlink()
    with pytest.raises(SourceError, match="no OPERA RTC-S1 granule") as refusal:
        list_folder(tmp_path, [str(tmp_path / "work")])
    assert str(tmp_path / "work" / "simulated") in refusal.value.problem


def test_fetched_layers_are_no_granules_of_the_folder_around(tmp_path: Path) -> None:
    put(tmp_path / f"{NOVEMBER}_VV.tif")
    put(tmp_path / "cache" / "T137" / f"{NOVEMBER}_VV.tif", 11)
    cache = str(tmp_path / "." / "cache")
    content = list_folder(tmp_path, cache=cache)
    assert list(content.files) == [NOVEMBER] and content.warnings == ()
    put(tmp_path / "cache" / "T137" / f"{DECEMBER}_VV.tif")
    content = list_folder(tmp_path, cache=cache)
    assert list(content.files) == [NOVEMBER]
    (warning,) = content.warnings
    assert f"granules in the cache {tmp_path / 'cache'} are not used: 1, {DECEMBER}" in warning


def test_files_that_look_like_granules_are_named_with_their_number(tmp_path: Path) -> None:
    put(tmp_path / f"{NOVEMBER}_VV.tif")
    for beside in (".h5", ".zip", ".iso.xml", "_BROWSE.png"):
        put(tmp_path / f"{NOVEMBER}{beside}")
    assert list_folder(tmp_path).warnings == ()
    archive = put(tmp_path / "a" / f"{DECEMBER}.zip")
    put(tmp_path / "b" / f"{DECEMBER}.h5")
    (warning,) = list_folder(tmp_path).warnings
    assert f"2 files look like granules and are not used: {archive}, ..." in warning
    (tmp_path / f"{NOVEMBER}_VV.tif").unlink()
    with pytest.raises(SourceError, match=r"no OPERA RTC-S1 granule(.|\n)*4 files look like granules"):
        list_folder(tmp_path)


def test_layers_are_taken_however_their_names_are_spelled(tmp_path: Path) -> None:
    for name in ("VV.TIF", "vh.tiff", "layover_shadow_mask.tif"):
        put(tmp_path / f"{NOVEMBER}_{name}")
    (tmp_path / f"{NOVEMBER}_HH.tif").mkdir()
    assert {name: set(layers) for name, layers in list_folder(tmp_path).files.items()} == {
        NOVEMBER: {"VV", "VH", "mask"}
    }


def test_a_digest_follows_granules_layers_and_sizes_of_its_month_alone() -> None:
    files = {NOVEMBER: {"VV": ("a/x.tif", 10), "VH": ("a/y.tif", 10)}}
    november, december = Month(2021, 11), Month(2021, 12)
    before = digests(files)
    assert set(before) == {november}
    assert digests({NOVEMBER: {"VH": ("b/y.tif", 10), "VV": ("b/x.tif", 10)}}) == before
    both = digests(files | {DECEMBER: {"VV": ("a/z.tif", 10)}})
    assert set(both) == {november, december} and both[november] == before[november] != both[december]
    changed = [
        {NOVEMBER: {"VV": ("a/x.tif", 11), "VH": ("a/y.tif", 10)}},
        {NOVEMBER: {"VV": ("a/x.tif", 10)}},
        {NOVEMBER.replace("v1.0", "v1.1"): files[NOVEMBER]},
        files | {NOVEMBER.replace("IW1", "IW2"): {"VV": ("a/z.tif", 10)}},
    ]
    assert len({before[november], *(digests(files)[november] for files in changed)}) == 5
    assert digests({}) == {}
