"""A COG or Item of static layers that is gone is reported, since the Items of months name it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from s1monthly.audit.validation import validate
from s1monthly.cube.static import new_group
from s1monthly.cube.static_header import StaticOrigin
from s1monthly.grid.lattice import GeoBox
from s1monthly.kernels.static_layers import LAYERS
from support.audited_tree import NOVEMBER, REBUILD, RUN, kinds, rebuild
from support.small_tree import SmallTree


def test_lost_products_of_static_layers_are_reported(tree: SmallTree) -> None:
    paths, box = tree.layout.of(NOVEMBER), GeoBox(32610, 300.0, 699900.0, 3900000.0, 2, 2)
    with new_group(paths.static_store, StaticOrigin("10SGD", "ASCENDING", 64, (), "0123"), box, (2, 2)) as group:
        for name, layer in LAYERS.items():
            group.write(name, np.zeros(box.shape, layer.dtype), {})
    files = {name: Path(path) for name, path in paths.static_files(64).items()}
    for path in files.values():
        path.parent.mkdir(exist_ok=True)
        path.touch()
    named = {"catalog.json", "catalog_maps.json"}  # which list the Items of static layers
    assert {Path(found.place).name for found in validate(tree.base).problems} == named
    rebuild(tree)
    assert not validate(tree.base).problems
    for name in ("item", "mask"):
        files[name].unlink()
    problems = validate(tree.base).problems
    told = {(found.place, found.problem.partition(",")[0], *kinds(found.commands)) for found in problems}
    assert told == {
        (str(files["item"]), "no Item", RUN),
        (str(files["mask"]), "no COG", RUN),
        (str(tree.base / "catalog.json"), "out of step: links: 3 entries", REBUILD),
        (str(tree.base / "catalog_maps.json"), "nothing belongs in it", REBUILD),
    }
