"""Tell what is wrong in an output tree, and the commands that mend it; one line, and exit code 0, where nothing is."""

import argparse
import sys
from pathlib import Path

from s1monthly.errors import S1MonthlyError
from s1monthly.month_checks import Depth
from s1monthly.validation import validate


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--output-dir", type=Path, default=Path("output"), help="root of the output tree (output.base_dir): %(default)s"
    )
    parser.add_argument("--digests", action="store_true", help="read every value in the cubes: two seconds a month")
    parser.add_argument("--no-checksums", action="store_true", help="of COGs compare the sizes alone: quick")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(argv)
    try:
        report = validate(options.output_dir, Depth(checksums=not options.no_checksums, digests=options.digests))
    except (S1MonthlyError, OSError) as error:
        print(error)
        return 1
    print(report.to_json() if options.json else report.to_text())
    return 1 if report.problems else 0


if __name__ == "__main__":
    sys.exit(main())
