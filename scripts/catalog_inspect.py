"""Say how complete every tile and direction of an output tree is, and which months are missing."""

import argparse
import json
import os
import sys

from s1monthly.errors import S1MonthlyError
from s1monthly.inspection import inspect, tiles_there
from s1monthly.inspection_report import coverage
from s1monthly.naming import Layout


def main(argv=None):
    parser = argparse.ArgumentParser(prog="catalog_inspect", description=__doc__)
    parser.add_argument("--output-dir", default="output", help="root of the output tree: %(default)s")
    parser.add_argument("--json", action="store_true", help="for machines: everything, month by month")
    options = parser.parse_args(argv)
    layout = Layout(options.output_dir, os.path.join(options.output_dir, "work"))
    try:
        states = [inspect(key, layout) for key in tiles_there(layout)]
    except S1MonthlyError as error:
        sys.exit(str(error))
    told = json.dumps([state.to_json() for state in states], indent=1) if options.json else "\n".join(coverage(states))
    print(told)


if __name__ == "__main__":
    main()
