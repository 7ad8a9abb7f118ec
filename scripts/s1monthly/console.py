"""The command ``s1monthly``: `process` is Snakemake with our Snakefile, every other command is one of the scripts."""

from __future__ import annotations

import argparse
import os
import runpy
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from s1monthly import VERSION
from s1monthly.errors import WINDOWS
from s1monthly.workflow import commands
from s1monthly.workflow.environment import workflow_folder

SCRIPTS = {
    "catalog rebuild": ("catalog_rebuild", "make records, catalogs and the Collection again from the output tree"),
    "catalog validate": ("catalog_validate", "say what is wrong in an output tree, and what mends it"),
    "catalog inspect": ("catalog_inspect", "say how complete every tile and direction is"),
    "tile inspect": ("tile_inspect", "say of every month of a tile whether it is there, and if not, why"),
    "mosaic": ("mosaic_tiles", "make one map of the COGs of a month"),
    "series": ("timeseries", "write the values of points or polygons in every month"),
    "change": ("change", "map the changes of a band through all months"),
    "explore": ("explore", "look at an output tree in a browser, and run a configuration"),
    "report": ("report", "build the web page of an output tree: coverage, previews, statistics, provenance"),
    "upload": ("upload", "publish the output tree to object storage or a folder"),
    "doctor": ("doctor", "say what is well on this machine, and what is not"),
}
"""Command -> script, and what it does."""

INTERRUPTED = 128 + signal.SIGINT
"""Exit code after Ctrl-C."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code: 0 for success, 1 for failure, 2 for a wrong command, 130 after Ctrl-C.

    Parameters
    ----------
    argv : sequence of str, optional
        Command and options; those of the process where not given.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if sys.platform == "win32":
        return _say(WINDOWS, 1)
    if words[:1] in (["-V"], ["--version"]):
        print(f"s1monthly {VERSION}")
        return 0
    if words[:1] == ["process"]:
        return process(words[1:])
    for name, (script, _) in SCRIPTS.items():
        length = len(name.split())
        if " ".join(words[:length]) == name:
            return run_script(name, script, words[length:])
    if not words or {"-h", "--help"} & {*words}:
        print(usage(words[0] if words else ""))
        return 0
    return _say(f"{usage(words[0])}\n\nno such command: {' '.join(words[:2])}", 2)


def usage(beginning: str = "") -> str:
    """Return the list of commands; only those that begin with a word, if there are any."""
    told = {"process": "make what a configuration file asks for", **{name: text for name, (_, text) in SCRIPTS.items()}}
    some = {name: text for name, text in told.items() if name.startswith(beginning)} or told
    lines = [f"  s1monthly {name:<17} {text}" for name, text in some.items()]
    return "\n".join(["usage: s1monthly COMMAND [options]; s1monthly COMMAND --help lists them", "", *lines])


def run_script(name: str, script: str, options: Sequence[str]) -> int:
    """Run a script of the workflow as the program that it is, under the name of its command."""
    folder = str(workflow_folder() / "scripts")
    sys.path.insert(0, folder)
    commands.CALLED_AS = f"s1monthly {name}"
    sys.argv = [script, *options]
    try:
        runpy.run_path(os.path.join(folder, f"{script}.py"), run_name="__main__")
    except KeyboardInterrupt:
        return INTERRUPTED
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else _say(end.code, 1) if end.code else 0
    return 0


def process(options: Sequence[str]) -> int:
    """Run Snakemake with our Snakefile on a configuration file; options that are not ours are passed on to it."""
    parser = argparse.ArgumentParser(
        prog="s1monthly process",
        description="Make what a configuration file asks for. A later call makes only what is new or changed.",
        epilog="All other options are Snakemake's (snakemake --help), such as --quiet host or --profile slurm.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--config", "--configfile", required=True, metavar="FILE", help="configuration (YAML)")
    add("--cores", default="all", metavar="N", help="processors to use; default: all")
    add("-n", "--dry-run", action="store_true", help="preview: say which months are missing, and what they cost")
    given, others = parser.parse_known_args(options)
    if not Path(given.config).is_file():
        return _say(f"--config {given.config}: there is no such file -> give an existing one", 1)
    command = ["--snakefile", str(workflow_folder() / "Snakefile"), "--cores", given.cores]
    command += ["--dry-run"] * given.dry_run
    return _snakemake([*others, *command, "--configfile", given.config])  # it would take targets behind it for files


def _snakemake(command: list[str]) -> int:
    from snakemake.cli import main as snakemake

    interrupts = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        interrupts.append(number)
        signal.default_int_handler(number, frame)

    signal.signal(signal.SIGINT, interrupt)
    try:
        snakemake(command)
        code = 0
    except KeyboardInterrupt:
        code = INTERRUPTED
    except SystemExit as end:
        code = int(end.code or 0)
    return INTERRUPTED if interrupts else code


def _say(message: object, code: int) -> int:
    sys.stderr.write(f"{message}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
