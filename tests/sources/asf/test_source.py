"""NASA's archive as a source: one query for each range of months, and the layers that are needed."""

from __future__ import annotations

import pytest

from s1monthly.model import Direction, GranuleList, Month, Polarization, Tile
from s1monthly.sources import open_source
from support.archive_scene import Scene

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
