"""Look at an output tree in a browser: maps, series, changes; check a configuration and run it.

The page is served on this machine alone (127.0.0.1), under a secret path. Ctrl-C ends it.
"""

import sys
import webbrowser
from functools import partial

from s1monthly.errors import S1MonthlyError
from s1monthly.workflow import commands


def main(argv=None):
    parser = commands.parser("explore", __doc__, "--output-dir output")
    commands.add_explore(parser)
    options = parser.parse_args(argv)
    from s1monthly.explorer.page import build_page
    from s1monthly.explorer.server import address_of, make_server

    try:
        server = make_server(partial(build_page, output_dir=options.output_dir), options.port)
    except S1MonthlyError as error:
        sys.exit(str(error))
    print(f"{address_of(server)}\nthe explorer of {options.output_dir}; Ctrl-C ends it", flush=True)
    if not options.no_browser:
        webbrowser.open(address_of(server))
    server.run_until_shutdown()


if __name__ == "__main__":
    sys.exit(commands.run(main))
