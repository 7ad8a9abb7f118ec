"""Draw what the demo made, and print where to look: ``demo_tour.py --configfile config/demo.yaml``."""

import argparse
from pathlib import Path

import matplotlib as mpl
import yaml

mpl.use("Agg")
import matplotlib.pyplot as plt

from s1monthly.catalog.table import read_catalog
from s1monthly.config.root import load_config
from s1monthly.workflow.wanted import layout_of


def draw(rows, base_dir, path):
    """Draw the previews side by side: a row for each direction, a column for each month."""
    directions, months = (sorted({row[name] for row in rows}) for name in ("flight_direction", "month"))
    figure, axes = plt.subplots(len(directions), len(months), figsize=(4 * len(months), 4.2 * len(directions)))
    for axis, row in zip(axes.flat, rows, strict=True):
        axis.imshow(plt.imread(base_dir / row["preview_path"]), interpolation="none")
        axis.set_title(f"{row['mgrs_tile_id']}  {row['flight_direction'].lower()}  {row['month']}", fontsize=11)
        axis.axis("off")
    figure.tight_layout()
    figure.savefig(path, dpi=100)


def main(configfile):
    layout = layout_of(load_config(yaml.safe_load(configfile.read_text())))
    rows, base_dir = read_catalog(layout.catalog), Path(layout.base_dir)
    picture = base_dir / "demo.jpg"
    draw(rows, base_dir, picture)
    print(f"\n{len(rows)} tile-months in {base_dir}/\n")
    for row in rows:
        print(
            f"  {row['mgrs_tile_id']} {row['flight_direction']:<10} {row['month']}  {row['status']},"
            f" {row['granules']} granules in {row['passes']} passes, {100 * row['coverage']:.1f} % of the tile"
        )
    cog, store, record = (base_dir / rows[0][name] for name in ("cog_path", "zarr_path", "record_path"))
    print(f"\nLook at:\n  in a browser:    {layout.report_page}")
    print(f"  a picture:       {picture}\n  in QGIS:         {cog}\n  in xarray:       {store}")
    print(f"  how it was seen: {store.parent.parent / 'static'}: angles, area factors, shadow, layover")
    print(f"  what went in:    {record}\n  every month:     {layout.catalog}\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--configfile", type=Path, required=True, help="configuration of the demo")
    main(parser.parse_args().configfile)
