"""Make again what an output tree has lost, from what lies in it: records, Items, all catalogs and the Collection."""

import argparse
import sys
from pathlib import Path

from s1monthly.errors import S1MonthlyError
from s1monthly.rebuilding import rebuild


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--output-dir", type=Path, default=Path("output"), help="root of the output tree (output.base_dir): %(default)s"
    )
    parser.add_argument("--work-dir", type=Path, help="folder of granule lists (output.work_dir): work in the tree")
    options = parser.parse_args(argv)
    try:
        done = rebuild(options.output_dir, options.work_dir or options.output_dir / "work")
    except (S1MonthlyError, OSError) as error:
        print(error)
        return 1
    print(done.to_text())
    return 1 if done.left else 0


if __name__ == "__main__":
    sys.exit(main())
