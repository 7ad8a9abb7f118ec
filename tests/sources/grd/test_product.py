"""Products in folders and zips: what they are, and why some cannot be used."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from s1monthly.errors import NameFormatError, SourceError
from s1monthly.granule_names import parse_product_name
from s1monthly.model import Direction, Polarization
from s1monthly.sources.grd.listing import find_products
from s1monthly.sources.grd.product import Product, open_product
from s1monthly.sources.grd.safe import open_safe
from support.grd_products import with_pixels

EXPECTED = {
    # last letters: satellite, mode, processor, track, direction, orbit, noise known, azimuth blocks
    "BB15": ("S1A", "EW", (3, 52), 20, "DESCENDING", "Auxiliary", True, 17),
    "6D00": ("S1A", "IW", (2, 70), 7, "DESCENDING", "Auxiliary", True, 0),
    "FEC3": ("S1A", "IW", (2, 36), 7, "DESCENDING", "Auxiliary", False, 0),
    "CEAB": ("S1A", "IW", (2, 36), 117, "ASCENDING", "Auxiliary", False, 0),
    "3768": ("S1A", "IW", (2, 36), 117, "ASCENDING", "Auxiliary", False, 0),
    "6FF8": ("S1A", "IW", (3, 31), 59, "ASCENDING", "Downlink", True, 3),
    "5371": ("S1B", "IW", (3, 40), 22, "DESCENDING", "Auxiliary", True, 3),
    "4B8B": ("S1C", "SM", (3, 90), 15, "ASCENDING", "Auxiliary", True, 0),
}


def test_real_products_are_read(products: dict[str, Product]) -> None:
    assert set(products) == set(EXPECTED)
    for unique, (mission, mode, ipf, track, direction, orbit, known, blocks) in EXPECTED.items():
        product = products[unique]
        manifest = product.manifest
        assert (manifest.mission, manifest.mode, manifest.ipf, manifest.track) == (mission, mode, ipf, track)
        assert manifest.direction == Direction(direction)
        assert abs(manifest.start - np.datetime64(product.name.start.replace(tzinfo=None))) < np.timedelta64(1, "s")
        for layer in product.layers:
            annotation, noise = product.annotation(layer), product.noise(layer)
            calibration = product.calibration(layer)
            assert annotation.orbit_source == orbit
            assert annotation.orbit_from_satellite == (orbit == "Downlink")
            assert annotation.direction == manifest.direction
            assert not annotation.noise_removed
            assert (noise.known, len(noise.blocks)) == (known, blocks)
            assert len({value for values in calibration.beta.values for value in values}) == 1  # constant
            assert calibration.gamma.pixels[0][-1] == annotation.samples - 1


def test_old_and_new_noise_are_read_as_written(products: dict[str, Product]) -> None:
    old, new = products["6D00"].noise("VV"), products["6FF8"].noise("VV")
    assert old.range_vectors.values[0][:2].tolist() == [1694.175, 1670.706]
    assert new.range_vectors.values[0][:2].tolist() == [2392.147, 2360.252]
    assert new.blocks[0].values[:2].tolist() == [1.040491, 1.042047]
    assert (new.blocks[0].last_line, new.blocks[0].last_sample) == (16675, 8759)


def test_folders_and_zips_are_the_same(products: dict[str, Product], tmp_path: Path) -> None:
    zipped = products["6FF8"]
    with zipfile.ZipFile(zipped.files.path) as archive:
        archive.extractall(tmp_path / "deep" / "down")
    (found,) = find_products(tmp_path)
    folder = open_product(found)
    assert folder.manifest == zipped.manifest
    assert folder.layers == zipped.layers
    assert dict(folder.files.sizes) == dict(zipped.files.sizes)
    for kinds in folder.layers.values():
        for name in kinds.values():
            assert folder.files.read(name) == zipped.files.read(name)


def test_products_are_found_in_any_folder(tmp_path: Path) -> None:
    name = "S1A_IW_GRDH_1SDV_20210809T173953_20210809T174018_039156_049F13_6FF8"
    for folder in ("b/inner", ".hidden"):
        (tmp_path / folder / f"{name}.SAFE" / "annotation").mkdir(parents=True)
        (tmp_path / folder / f"{name}.SAFE" / "manifest.safe").touch()
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / f"{name}.zip").touch()
    (tmp_path / "a" / "other.zip").touch()
    (tmp_path / "b" / "loop").symlink_to(tmp_path)
    assert [Path(path).relative_to(tmp_path).as_posix() for path in find_products(tmp_path)] == [
        f"a/{name}.zip",
        f"b/inner/{name}.SAFE",
    ]


def test_what_cannot_be_used_is_set_aside(products: dict[str, Product], tmp_path: Path) -> None:
    pair = Polarization.VV_VH
    folder = with_pixels(products["6FF8"], tmp_path)
    whole = open_product(folder)
    assert whole.unfit(pair) is whole.damage(pair) is None
    assert whole.unfit(Polarization.HH_HV) == "its polarizations are VV+VH, not HH+HV"
    assert products["BB15"].unfit(Polarization.HH_HV) == "it is EW GRDM; only IW GRDH products are used"
    assert products["4B8B"].unfit(Polarization.HH_HV) == "it is SM GRDH; only IW GRDH products are used"
    assert products["6D00"].damage(pair) == "its measurement file of VV is missing"

    measurement = folder / whole.file("VH", "measurement")
    size = measurement.stat().st_size
    with open(measurement, "r+b") as file:
        file.truncate(size - 1)
    assert (
        open_product(folder).damage(pair)
        == f"its file {whole.file('VH', 'measurement')} has {size - 1:,} bytes, not {size:,} as its manifest says"
    )
    (folder / whole.file("VH", "noise")).unlink()
    assert open_product(folder).damage(pair) == "its noise file of VH is missing"

    manifest = folder / "manifest.safe"
    text = manifest.read_text()
    second = "<s1sarl1:transmitterReceiverPolarisation>VH</s1sarl1:transmitterReceiverPolarisation>"
    assert second in text
    manifest.write_text(text.replace(second, ""))
    assert open_product(folder).unfit(pair) == "it has one polarization only, VV"


def test_a_product_that_contradicts_its_name_is_refused(products: dict[str, Product], tmp_path: Path) -> None:
    folder = with_pixels(products["6FF8"], tmp_path)
    renamed = folder.with_name(folder.name.replace("S1A", "S1B"))
    folder.rename(renamed)
    with pytest.raises(SourceError, match="its satellite is S1A, but S1B in its name"):
        open_product(renamed)
    renamed.rename(folder)
    vv, vh = (folder / open_product(folder).file(layer, "annotation") for layer in ("VV", "VH"))
    shutil.copyfile(vh, vv)
    with pytest.raises(SourceError, match=r"adsHeader/polarisation is VH, not VV as its name says"):
        open_product(folder).annotation("VV")
    folder.rename(tmp_path / "mine")
    with pytest.raises(NameFormatError, match="'mine' is not the name of a Sentinel-1 product"):
        open_product(tmp_path / "mine")


def test_damaged_zips_are_named(products: dict[str, Product], tmp_path: Path) -> None:
    original = Path(products["5371"].files.path)
    content = original.read_bytes()
    damaged = tmp_path / original.name
    damaged.write_bytes(content[: len(content) // 2])
    with pytest.raises(SourceError, match="no whole zip"):
        open_safe(damaged)
    damaged.write_bytes(content[:100_000] + bytes(1000) + content[101_000:])
    with pytest.raises(SourceError, match=r"5371\.SAFE/"):
        product = open_product(damaged)
        for name in product.layers["VV"].values():
            product.files.read(name)
    with zipfile.ZipFile(damaged, "w") as archive:
        for number in range(2):
            archive.writestr(f"{number}/manifest.safe", "<XFDU/>")
    with pytest.raises(SourceError, match=r"holds 2 files manifest\.safe, not one"):
        open_safe(damaged)
    with pytest.raises(SourceError, match="No such file"):
        open_safe(tmp_path / "nowhere.zip")


def test_names_are_parsed() -> None:
    name = parse_product_name("S1D_S3_GRDF_1SSH_20260809T173953_20260809T174018_039156_049F13_6FF8_COG.SAFE")
    assert (name.mission, name.mode, name.resolution, name.polarization) == ("S1D", "S3", "F", "SH")
    assert name.id.endswith("_COG")
    for wrong in ("S1A", "S1A_IW_GRDH_1SDV_20219999T173953_20210809T174018_039156_049F13_6FF8"):
        with pytest.raises(NameFormatError, match="not the name of a Sentinel-1 product"):
            parse_product_name(wrong)
