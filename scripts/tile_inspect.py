"""Say of every month of a tile whether it is there, and if not, why."""

import argparse
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import yaml

from s1monthly.config import load_config
from s1monthly.errors import S1MonthlyError
from s1monthly.inspection import inspect, tiles_there
from s1monthly.inspection_report import details
from s1monthly.naming import DIRECTION_PATTERN, Layout
from s1monthly.planning import layout_of


def parse(argv):
    parser = argparse.ArgumentParser(prog="tile_inspect", description=__doc__)
    parser.add_argument("--tile", required=True, type=str.upper, help="for example 10SGD")
    parser.add_argument(
        "--direction", type=str.upper, choices=DIRECTION_PATTERN.split("|"), help="both where not given"
    )
    parser.add_argument("--output-dir", help="root of the output tree (output.base_dir); that of --configfile")
    parser.add_argument("--configfile", type=Path, help="configuration: tells which months are asked for")
    parser.add_argument("--json", action="store_true", help="for machines: everything, month by month")
    options = parser.parse_args(argv)
    if not (options.output_dir or options.configfile):
        parser.error("give --output-dir, --configfile, or both")
    return options


def main(argv=None):
    options = parse(argv)
    try:
        config = load_config(yaml.safe_load(options.configfile.read_text()) or {}) if options.configfile else None
        work = layout_of(config).work_dir if config else os.path.join(options.output_dir, "work")
        layout = Layout(options.output_dir or layout_of(config).base_dir, work)
        today = datetime.now(UTC).date()
        keys = tiles_there(layout, options.tile, options.direction)
        states = [inspect(key, layout, config, today) for key in keys]
    except (S1MonthlyError, OSError, yaml.YAMLError) as error:
        sys.exit(str(error))
    told = json.dumps([state.to_json() for state in states], indent=1) if options.json else "\n".join(details(states))
    print(told)


if __name__ == "__main__":
    main()
