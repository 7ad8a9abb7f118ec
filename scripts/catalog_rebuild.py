"""Make again what an output tree has lost, from the tree itself: records, Items, all catalogs and Collections."""

import sys
from pathlib import Path

import light_imports  # noqa: F401
from s1monthly.audit.rebuilding import rebuild
from s1monthly.errors import S1MonthlyError
from s1monthly.workflow import commands


def main(argv=None):
    parser = commands.parser("catalog_rebuild", __doc__, "--output-dir output")
    commands.add_output_dir(parser)
    parser.add_argument("--work-dir", metavar="DIR", help="accepted, without effect: granule lists are not read")
    commands.add_json(parser)
    options = parser.parse_args(argv)
    try:
        done = rebuild(Path(options.output_dir))
    except S1MonthlyError as error:
        print(error)
        return 1
    print(done.to_json() if options.json else done.to_text())
    return 1 if done.left else 0


if __name__ == "__main__":
    sys.exit(commands.run(main))
