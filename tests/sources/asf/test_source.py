"""NASA's archive as a source: one query for each range of months, and the layers that are needed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio

from s1monthly.granules import Burst, GranuleList
from s1monthly.model import Direction, Month, Polarization, Tile
from s1monthly.sources import open_source
from support.archive_scene import Scene
from support.granules import static_layers, write_static

pytestmark = pytest.mark.filterwarnings("ignore:The 'shapely.ops.transform:DeprecationWarning")  # in asf_search


@pytest.mark.parametrize("with_mask", [True, False])
def test_granules_are_searched_chosen_and_fetched(scene: Scene, with_mask: bool) -> None:
    entry = scene.world.archive.entries[scene.granule.id]
    for name in ("T064-135620-IW1", "T137-292319-IW1"):
        layers = ("VV", "VH", "mask") if name.startswith("T064") else ("VV", "mask")
        scene.world.archive.add_name(entry.id.replace("T137-292318-IW1", name), entry.footprint.wkt, layers)
    options = scene.options
    limits = {"search_seconds": 20.0, "fetch_seconds": options.pop("seconds")}
    wanted = {"polarization": Polarization.VV_VH, "only_tracks": [137], "with_mask": with_mask}
    source = open_source("asf", cmr=scene.world.hosts.cmr, **wanted, **limits, **options)
    months = [Month(2021, 1), Month(2021, 10), Month(2021, 11)]
    found = source.search(Tile("11SLT"), Direction.ASCENDING, months)
    assert list(found) == months and len(scene.world.cmr.log) == 2
    assert found[months[0]] == found[months[1]] == GranuleList()
    reasons = {"track 64 is not among roi.tracks", "polarization VV, not VV+VH"}
    assert {one.reason for one in found[months[2]].set_aside} == reasons
    (granule,) = found[months[2]].granules
    with source.prepared(granule) as ready:
        assert [layer.name for layer in ready.layers] == ["VV", "VH", "mask"][: 2 + with_mask]


HALF_GLOBE = "POLYGON((-179.9 33, -2 33, -2 34, -179.9 34, -179.9 33))"
"""Outline of records at the antimeridian, of which the real burst may lie outside."""


def test_static_granules_are_found_by_burst_alone(scene: Scene, tmp_path: Path) -> None:
    """Whatever their date and outline, in one query; the newest version; those that lack are not made up."""
    archive, shape = scene.world.archive, (30, 40)
    known = [Burst.parse(f"T137-{number}-IW1") for number in (292318, 292319, 292320)]
    for burst, version in ((known[0], "1.0"), (known[0], "1.1"), (known[1], "1.0")):
        archive.add(
            write_static(tmp_path / version, static_layers(shape), burst=str(burst), version=version), HALF_GLOBE
        )
    archive.add(write_static(tmp_path, static_layers(shape), burst="T064-135524-IW1"), HALF_GLOBE)
    options = scene.options
    limits = {"search_seconds": 20.0, "fetch_seconds": options.pop("seconds")}
    wanted = {"polarization": Polarization.VV_VH, "only_tracks": None, "with_mask": True}
    source = open_source("asf", cmr=scene.world.hosts.cmr, **wanted, **limits, **options)
    before = len(scene.world.cmr.log)
    found = source.static(known)
    assert {burst: granule.version for burst, granule in found.items()} == {known[0]: "1.1", known[1]: "1.0"}
    (request,) = scene.world.cmr.log[before:]
    asked = {name for name, _ in request.parameters}
    assert not asked & {"temporal", "temporal[]", "polygon"} and ("short_name" in asked or "shortName" in asked)
    assert source.static([]) == {} and len(scene.world.cmr.log) == before + 1
    granule = found[known[0]]
    one = replace(granule, layers=(granule.layer("rtc_anf_gamma0_to_beta0"),))
    with source.prepared(one) as ready, rasterio.open(ready.layers[0].url) as dataset:
        np.testing.assert_array_equal(dataset.read(1), static_layers(shape)["rtc_anf_gamma0_to_beta0"])
    assert scene.world.earthdata.served == {f"{granule.id}_rtc_anf_gamma0_to_beta0.tif": 1}
