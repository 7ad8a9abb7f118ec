"""Say how complete every tile and direction of an output tree is, and which months are missing."""

import json
import os
import sys

import light_imports  # noqa: F401
from s1monthly.audit.inspection import inspect, tiles_there
from s1monthly.audit.inspection_report import coverage
from s1monthly.errors import S1MonthlyError
from s1monthly.layout import Layout
from s1monthly.workflow import commands


def main(argv=None):
    parser = commands.parser("catalog_inspect", __doc__, "--output-dir output --direction ASC")
    commands.add_output_dir(parser)
    commands.add_direction(parser, "default: ALL")
    commands.add_work_dir(parser)
    commands.add_json(parser)
    options = parser.parse_args(argv)
    layout = Layout(options.output_dir, str(options.work_dir or os.path.join(options.output_dir, "work")))
    try:
        keys = tiles_there(layout, directions=commands.DIRECTIONS[options.direction], tracks=options.track)
        states = [inspect(key, layout) for key in keys]
    except S1MonthlyError as error:
        sys.exit(str(error))
    text = json.dumps([state.to_json() for state in states], indent=1) if options.json else "\n".join(coverage(states))
    print(text)


if __name__ == "__main__":
    sys.exit(commands.run(main))
