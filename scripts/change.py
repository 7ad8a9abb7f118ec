"""Map the changes of a band: for each pixel the month, the step in dB, the confidence and the number of months.

The mean of each calendar month is removed first; months without data are skipped.
"""

import sys

import light_imports  # noqa: F401
from s1monthly.catalog.update import catalog_maps
from s1monthly.errors import ProductError, S1MonthlyError
from s1monthly.kernels.change.detection import DEFAULTS
from s1monthly.model import Month
from s1monthly.series.placing import find_cubes
from s1monthly.stages.change import make_change
from s1monthly.workflow import commands


def main(argv=None):
    parser = commands.parser("change", __doc__, "--tile 10SGD --direction ASC --band VH_dB")
    commands.add_change(parser, DEFAULTS)
    options = parser.parse_args(argv)
    given = {name: getattr(options, name) for name in ("confidence", "permutations", "penalty", "smallest")}
    try:
        found = find_cubes(options.output_dir, commands.DIRECTIONS[options.direction], options.track)
        cubes = [header for header in found if options.tile in (None, str(header.tile))]
        if not cubes:
            tiles = ", ".join(sorted({str(header.tile) for header in found}))
            raise ProductError(f"{options.output_dir}: no cube of tile {options.tile}", f"there are cubes of {tiles}")
        span = [None if text is None else Month.parse(text) for text in (options.start, options.end)]
        for header in cubes:
            print(make_change(options.output_dir, header, options.band, options.method, given, *span), flush=True)
        catalog_maps(options.output_dir)
    except S1MonthlyError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    sys.exit(commands.run(main))
