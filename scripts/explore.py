"""Look at an output tree in a browser: maps, series, changes; check a configuration and run it.

The page is served on this machine alone (127.0.0.1), under a secret path. Ctrl-C ends it, and a run
that was started from it.
"""

import sys
import webbrowser
from contextlib import closing
from functools import partial

from s1monthly.config.file import read_config_file
from s1monthly.config.root import load_config
from s1monthly.errors import S1MonthlyError
from s1monthly.workflow import commands


def main(argv=None):
    parser = commands.parser("explore", __doc__, "--output-dir output")
    commands.add_explore(parser)
    options = parser.parse_args(argv)
    from s1monthly.explorer.configuration import ConfigurationFile
    from s1monthly.explorer.page import build_page
    from s1monthly.explorer.running import Runner
    from s1monthly.explorer.server import address_of, make_server

    try:
        tree = options.output_dir or tree_of(options.configfile)
        ConfigurationFile.of(tree, options.configfile)  # refuses links out of the tree, before any page does
        runner = Runner(tree)
        page = partial(build_page, output_dir=tree, runner=runner, configfile=options.configfile)
        server = make_server(page, options.port)
    except S1MonthlyError as error:
        sys.exit(str(error))
    print(f"{address_of(server)}\nthe explorer of {tree}; Ctrl-C ends it", flush=True)
    if not options.no_browser:
        webbrowser.open(address_of(server))
    with closing(runner):
        server.run_until_shutdown()
        runner.look()
        if runner.running:
            print("the run is stopped, as by Ctrl-C; another Ctrl-C kills it", flush=True)


def tree_of(configfile):
    """Return the output tree of a configuration file, or the default one without."""
    return load_config(read_config_file(configfile)).output.base_dir if configfile else "output"


if __name__ == "__main__":
    sys.exit(commands.run(main))
