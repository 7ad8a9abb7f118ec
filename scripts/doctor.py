"""Check what a run needs of its machine: Python, packages, memory, folders, SLURM, network, clock, login, DEM.

It says what is well and what is not, and what to do about it. The exit code is 0 if a run can succeed.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - an older Python cannot import what follows
    sys.exit(f"BAD  Python: {sys.version.split()[0]}\n     -> Python 3.11 or newer is needed")

import json
from dataclasses import asdict
from pathlib import Path

from s1monthly.errors import S1MonthlyError
from s1monthly.workflow import commands
from s1monthly.workflow.doctor import State, examine

LOCK = Path(__file__).resolve().parents[1] / "requirements.txt"


def main(argv=None):
    parser = commands.parser("doctor", __doc__, "--configfile my.yaml")
    parser.add_argument("--configfile", type=Path, metavar="FILE", help="configuration of the run; default: none")
    commands.add_json(parser)
    options = parser.parse_args(argv)
    findings = []
    try:
        values = read(options.configfile)
        for finding in examine(values, LOCK if LOCK.exists() else None):
            findings.append(finding)
            if not options.json:
                print(finding, flush=True)
    except S1MonthlyError as error:
        sys.exit(str(error))
    if options.json:
        print(json.dumps([asdict(finding) for finding in findings], indent=1))
    return int(any(finding.state is State.BAD for finding in findings))


def read(configfile):
    """Return the content of a configuration file, None without one; PyYAML may be missing."""
    if configfile is None:
        return None
    try:
        from s1monthly.config.file import read_config_file
    except ImportError:
        return {}
    return read_config_file(configfile)


if __name__ == "__main__":
    sys.exit(commands.run(main))
