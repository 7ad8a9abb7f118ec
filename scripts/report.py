"""Build the report of an output tree, or bring it up to date: a page for the browser, which needs no network.

It shows where the tiles lie, what every month is and why it is missing, the previews, the statistics of the bands, and
what each month was made of. Open report/index.html in the output tree.
"""

import os
import sys

import light_imports  # noqa: F401
from s1monthly.errors import S1MonthlyError
from s1monthly.layout import Layout
from s1monthly.report.build import build
from s1monthly.workflow import commands


def main(argv=None):
    parser = commands.parser("report", __doc__, "--output-dir output")
    commands.add_output_dir(parser)
    commands.add_work_dir(parser)
    options = parser.parse_args(argv)
    layout = Layout(options.output_dir, str(options.work_dir or os.path.join(options.output_dir, "work")))
    try:
        built = build(layout)
    except S1MonthlyError as error:
        sys.exit(str(error))
    gone = f", {built.removed} removed" if built.removed else ""
    print(f"{built.page}: {built.tiles} tiles and directions, {built.written} of them new or changed{gone}")


if __name__ == "__main__":
    sys.exit(commands.run(main))
