"""Make one map of the COGs of a month: a virtual one (VRT), or a cloud-optimised GeoTIFF (COG).

Zoomed out, a VRT shows the overviews of the tiles' COGs, where dB were averaged as dB: for looking, not for measuring.
A COG averages power, in its overviews too.
"""

import sys
import textwrap

import light_imports  # noqa: F401
from s1monthly.errors import S1MonthlyError
from s1monthly.layout import Layout
from s1monthly.model import Month
from s1monthly.mosaic.cog import write_cog_mosaic
from s1monthly.mosaic.plan import epsg_code, find_cogs, plan_mosaics
from s1monthly.mosaic.vrt import write_vrt
from s1monthly.workflow import commands

WRITERS = {"VRT": write_vrt, "COG": write_cog_mosaic}


def main(argv=None):
    parser = commands.parser("mosaic_tiles", __doc__, "--month 2024-05 --direction ALL --format COG")
    commands.add_mosaic(parser, WRITERS)
    options = parser.parse_args(argv)
    if options.resolution is not None and (options.format == "VRT" or not options.resolution > 0):
        parser.error("--resolution: a positive number, and for --format COG alone, since a VRT cannot average power")
    try:
        layout, epsg = Layout(options.output_dir), None if options.keep_utm else epsg_code(options.crs)
        chosen = options.direction, options.mgrs_prefix, options.track
        cogs, lacking = find_cogs(layout, Month.parse(options.month), *chosen)
        for line in lacking:
            print(textwrap.fill(f"no COG of {line}", commands.WIDTH, subsequent_indent="  "), flush=True)
        for mosaic in plan_mosaics(cogs, options.direction, epsg, options.resolution, options.track):
            path = WRITERS[options.format](mosaic, options.output or layout.mosaics)
            print(f"{path}\n  {mosaic.summary}", flush=True)
    except S1MonthlyError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    sys.exit(commands.run(main))
