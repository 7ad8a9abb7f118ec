"""Make what config/demo_grd.yaml reads: a DEM and GRD products of a made-up place.

Nothing in them is real: orbit, annotation, ground and pixels are computed.
"""

import argparse
import shutil
from pathlib import Path

import numpy as np
import yaml

from s1monthly.grid.tiles import tile_outline
from s1monthly.model import Direction, Tile
from s1monthly.sources.grd.simulation.scene import Place

TRACK = 22
PASSES = {"2024-05-03": 2, "2024-05-15": 1, "2024-07-02": 1, "2024-07-14": 1}
"""Day -> number of slices."""


def main(configfile):
    config = yaml.safe_load(configfile.read_text())
    centre = tile_outline(Tile(config["roi"]["manual_mgrs_tiles"][0])).centroid
    place, products = Place(centre.x, centre.y, 1.1), Path(config["source"]["path"])
    dem, folder = Path(config["grd"]["dem"]), products.with_name(f".{products.name}")
    if products.exists():  # nothing is overwritten: they may be somebody's own
        print(f"{products} is there already")
        return
    shutil.rmtree(folder, ignore_errors=True)  # of a demo that was killed
    if not dem.exists():
        place.write_dem(dem)
    for number, (day, slices) in enumerate(PASSES.items(), start=1):
        moment = np.datetime64(f"{day}T05:11:30")
        size = {"slices": slices, "lines": 1800 // slices, "samples": 1600, "datatake": number}
        for product in place.write_slices(folder, moment, Direction.DESCENDING, TRACK, **size):
            print(products / product.name)
    folder.rename(products)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--configfile", type=Path, required=True, help="configuration of the demo")
    main(parser.parse_args().configfile)
