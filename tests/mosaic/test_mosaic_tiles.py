"""The script that makes mosaics: what it prints, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

import mosaic_tiles


def test_the_script_says_what_it_made(two_zones: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (two_zones / "10SGE_ASCENDING").mkdir()
    options = ["--month", "2024-05", "--direction", "ASCENDING", "--output-dir", str(two_zones)]
    mosaic_tiles.main(options)
    assert capsys.readouterr().out == (
        "no COG of 10SGE ASCENDING: not searched yet\n"
        f"{two_zones}/mosaic/10SFD-11SKU-2024-05-ASCENDING-4326.vrt\n"
        "  3 COGs, 342 x 125 pixels, EPSG:4326\n"
    )
    mosaic_tiles.main(
        [*options, "--keep-utm", "--format", "COG", "--output", str(two_zones / "x"), "--mgrs-prefix", "10"]
    )
    assert [path.name for path in (two_zones / "x").iterdir()] == ["10SFD-10SGD-2024-05-ASCENDING.tif"]
    capsys.readouterr()
    mosaic_tiles.main([*options[:3], "asc", *options[4:], "--keep-utm", "--mgrs-prefix", "11", "--format", "vrt"])
    # as S1-GRiTS names it: the tiles top left and bottom right, also where one tile is both
    path = two_zones / "mosaic" / "11SKU-11SKU-2024-05-ASCENDING.vrt"
    assert capsys.readouterr().out == f"{path}\n  1 COG, 122 x 122 pixels, EPSG:32611\n"


def test_errors_are_one_line_and_exit_code_1(two_zones: Path) -> None:
    for wrong in (["--month", "2023-01"], ["--month", "2024-99"], ["--month", "2024-05", "--crs", "mars"]):
        with pytest.raises(SystemExit) as caught:
            mosaic_tiles.main(["--direction", "ALL", "--output-dir", str(two_zones), *wrong])
        assert isinstance(caught.value.code, str)  # printed, with exit code 1
        assert "\n" not in caught.value.code and " -> " in caught.value.code
    with pytest.raises(SystemExit) as caught:
        mosaic_tiles.main(["--direction", "ALL", "--month", "2024-05", "--resolution", "1"])
    assert caught.value.code == 2


def test_a_crs_and_the_tiles_own_are_not_asked_for_together(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--month", "2024-05", "--direction", "asc", "--keep-utm"]
    for crs in ("EPSG:3857", "EPSG:4326"):
        with pytest.raises(SystemExit) as end:
            mosaic_tiles.main([*options, "--crs", crs])
        assert end.value.code == 2
        assert "not allowed with argument" in capsys.readouterr().err
