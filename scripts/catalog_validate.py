"""Tell what is wrong in an output tree, and the commands that mend it; one line, and exit code 0, where nothing is.

Read by default: every record, Item, catalog and header, the checksums of COGs, in the cube the counts of passes, and
that there are chunks. Not read: the values of the bands. A band of the cube whose values were changed, or a preview
that shows another month, is found with --digests alone, which reads every value of cubes and COGs against the records'
digests, compares COGs pixel by pixel, and draws the previews again.
"""

import sys
from pathlib import Path

import light_imports  # noqa: F401
from s1monthly.audit.month_checks import Depth
from s1monthly.audit.validation import validate
from s1monthly.errors import S1MonthlyError
from s1monthly.workflow import commands


def main(argv=None):
    parser = commands.parser("catalog_validate", __doc__, "--output-dir output --digests")
    commands.add_output_dir(parser)
    commands.add_work_dir(parser)
    parser.add_argument(
        "--digests", action="store_true", help="read every value of cubes, COGs and previews too: five seconds a month"
    )
    parser.add_argument("--no-checksums", action="store_true", help="of COGs compare the sizes alone: quick")
    commands.add_json(parser)
    options = parser.parse_args(argv)
    depth = Depth(checksums=not options.no_checksums, digests=options.digests)
    try:
        report = validate(Path(options.output_dir), depth, options.work_dir)
    except S1MonthlyError as error:
        print(error)
        return 1
    print(report.to_json() if options.json else report.to_text())
    return 1 if report.problems else 0


if __name__ == "__main__":
    sys.exit(commands.run(main))
