"""Tell where to look after the demo: ``demo_tour.py --configfile config/demo.yaml``."""

import argparse
from pathlib import Path

import yaml

from s1monthly.catalog import read_catalog
from s1monthly.config import load_config
from s1monthly.planning import layout_of


def main(configfile):
    layout = layout_of(load_config(yaml.safe_load(configfile.read_text())))
    rows = read_catalog(layout.catalog)
    print(f"\n{len(rows)} tile-months in {layout.base_dir}/\n")
    for row in rows:
        print(
            f"  {row['mgrs_tile_id']} {row['flight_direction']:<10} {row['month']}  {row['status']},"
            f" {row['granules']} granules in {row['passes']} passes, {100 * row['coverage']:.1f} % of the tile"
        )
    row = rows[0]
    print("\nLook at:")
    for what, name in (
        ("a picture", "preview_path"),
        ("in QGIS", "cog_path"),
        ("in xarray", "zarr_path"),
        ("what it is made of", "record_path"),
    ):
        print(f"  {what + ':':<20} {Path(layout.base_dir, row[name])}")
    print(f"  {'every month:':<20} {layout.catalog}\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--configfile", type=Path, required=True)
    main(parser.parse_args().configfile)
