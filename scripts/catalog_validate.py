"""Report what is wrong in an output tree, and the commands that mend it; one line and exit code 0 if nothing is wrong.

By default this reads every record, Item, catalog and header, the checksums of COGs and the counts of passes in the
cube, and looks for the cube's chunks. With --digests it also reads every value of cubes and COGs, compares them with
the records' digests and with each other pixel by pixel, and draws the previews again: only this finds a band of the
cube whose values were changed, or a preview that shows another month.
"""

import sys
from pathlib import Path

import light_imports  # noqa: F401
from s1monthly.audit.month_validation import Depth
from s1monthly.audit.validation import validate
from s1monthly.errors import S1MonthlyError
from s1monthly.workflow import commands


def main(argv=None):
    parser = commands.parser("catalog_validate", __doc__, "--output-dir output --digests")
    commands.add_output_dir(parser)
    parser.add_argument("--work-dir", metavar="DIR", help="accepted, without effect: granule lists are not read")
    parser.add_argument(
        "--digests", action="store_true", help="also read every value of cubes, COGs and previews: five seconds a month"
    )
    parser.add_argument("--no-checksums", action="store_true", help="compare only the sizes of COGs: quick")
    commands.add_json(parser)
    options = parser.parse_args(argv)
    depth = Depth(checksums=not options.no_checksums, digests=options.digests)
    try:
        report = validate(Path(options.output_dir), depth)
    except S1MonthlyError as error:
        print(error)
        return 1
    print(report.to_json() if options.json else report.to_text())
    return 1 if report.problems else 0


if __name__ == "__main__":
    sys.exit(commands.run(main))
