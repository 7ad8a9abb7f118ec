"""Say of every month of a tile whether it is there, and if not, why."""

import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import light_imports  # noqa: F401
from s1monthly.audit.inspection import inspect, tiles_there
from s1monthly.audit.inspection_report import details
from s1monthly.config.file import read_config_file
from s1monthly.config.root import load_config
from s1monthly.errors import S1MonthlyError
from s1monthly.layout import Layout
from s1monthly.workflow import commands
from s1monthly.workflow.wanted import layout_of


def main(argv=None):
    parser = commands.parser("tile_inspect", __doc__, "--tile 10SGD --configfile my.yaml")
    parser.add_argument("--tile", required=True, type=str.upper, help="for example 10SGD")
    commands.add_direction(parser, "default: ALL")
    commands.add_output_dir(parser, None, "root of the output tree; default: that of --configfile, else output")
    parser.add_argument("--configfile", type=Path, metavar="FILE", help="tells which months are asked for, how made")
    commands.add_work_dir(parser, "that of --configfile, else work/ in the output tree")
    commands.add_json(parser)
    options = parser.parse_args(argv)
    try:
        config = load_config(read_config_file(options.configfile)) if options.configfile else None
        base = options.output_dir or (layout_of(config).base_dir if config else "output")
        work_dir = options.work_dir or (layout_of(config).work_dir if config else os.path.join(base, "work"))
        layout = Layout(base, str(work_dir))
        today = datetime.now(UTC).date()
        keys = tiles_there(layout, options.tile, commands.DIRECTIONS[options.direction], options.track)
        states = [inspect(key, layout, config, today) for key in keys]
    except S1MonthlyError as error:
        sys.exit(str(error))
    text = json.dumps([state.to_json() for state in states], indent=1) if options.json else "\n".join(details(states))
    print(text)


if __name__ == "__main__":
    sys.exit(commands.run(main))
