"""Write the series of points or polygons: their values in every month of all tiles, directions and tracks.

Decibels of a polygon are averaged as power. A point on two tiles is read from the one whose centre is nearer.
"""

import sys

import light_imports  # noqa: F401
from s1monthly.errors import S1MonthlyError
from s1monthly.model import Month
from s1monthly.series.features import read_points, read_polygons
from s1monthly.series.figure import draw_series, write_figure
from s1monthly.series.placing import find_cubes
from s1monthly.series.table import columns_of, is_simulated, labels_of, read_table, write_table
from s1monthly.workflow import commands


def main(argv=None):
    parser = commands.parser("timeseries", __doc__, "--points=-120.2,34.6 --figure series.png")
    commands.add_series(parser)
    options = parser.parse_args(argv)
    if not (options.output or options.figure):
        parser.error("give --output, --figure or both")
    try:
        read = (read_points, options.points) if options.points else (read_polygons, options.polygons)
        features = read[0](read[1], options.crs)
        headers = find_cubes(options.output_dir, commands.DIRECTIONS[options.direction], options.track)
        span = (None if text is None else Month.parse(text) for text in (options.start, options.end))
        table = read_table(features, headers, options.bands, *span, other_tiles=options.other_tiles)
        if options.output:
            write_table(table, options.output)
            print(f"{options.output}: {table.num_rows} rows of {len(features.names)} features", flush=True)
        if options.figure:
            write_figure(draw_series(columns_of(table), labels_of(table), is_simulated(table)), options.figure)
            print(options.figure, flush=True)
    except S1MonthlyError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    sys.exit(commands.run(main))
