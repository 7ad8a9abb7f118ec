"""Make one map of the COGs of a month: a virtual one (VRT), or a cloud-optimised GeoTIFF (COG)."""

import argparse
import sys
import textwrap

from s1monthly.errors import S1MonthlyError
from s1monthly.mosaic_cog import write_cog_mosaic
from s1monthly.mosaic_vrt import write_vrt
from s1monthly.mosaicking import DIRECTIONS, epsg_code, find_cogs, plan_mosaics
from s1monthly.naming import Layout
from s1monthly.vocabulary import Month

WRITERS = {"VRT": write_vrt, "COG": write_cog_mosaic}


def parse(argv):
    parser = argparse.ArgumentParser(prog="mosaic_tiles", description=__doc__)
    add = parser.add_argument
    add("--month", required=True, help="YYYY-MM")
    add("--direction", required=True, choices=DIRECTIONS, help="ALL: DESCENDING fills where ASCENDING has no value")
    add("--output-dir", default="./output", help="root of the output tree (default: ./output)")
    add("--output", help="folder of the mosaic (default: mosaic/ in the output tree)")
    add("--format", default="VRT", choices=WRITERS, help="VRT names the tiles' COGs (default); COG holds the pixels")
    add("--crs", default="EPSG:4326", help="CRS of the mosaic (default: EPSG:4326)")
    add("--keep-utm", action="store_true", help="keep the tiles' own CRS: one mosaic for each zone")
    add("--mgrs-prefix", default="", help="only tiles whose names begin so, for example 50R")
    add("--resolution", type=float, help="COG: pixel size in units of the CRS (default: that of the tiles)")
    options = parser.parse_args(argv)
    if options.resolution is not None and (options.format == "VRT" or not options.resolution > 0):
        parser.error("--resolution: a positive number, and for --format COG alone, since a VRT cannot average power")
    return options


def main(argv=None):
    options = parse(argv)
    try:
        layout, epsg = Layout(options.output_dir, ""), None if options.keep_utm else epsg_code(options.crs)
        cogs, lacking = find_cogs(layout, Month.parse(options.month), options.direction, options.mgrs_prefix)
        for line in lacking:
            print(textwrap.fill(f"no COG of {line}", 80, subsequent_indent="  "), flush=True)
        for mosaic in plan_mosaics(cogs, options.direction, epsg, options.resolution):
            path = WRITERS[options.format](mosaic, options.output or layout.mosaics)
            box = mosaic.geobox
            print(f"{path}\n  {len(mosaic.cogs)} COGs, {box.width} x {box.height} pixels, {box.crs}", flush=True)
    except S1MonthlyError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
