"""Run the workflow from the explorer: its command, the process, and what that prints.

The command is a list of words that starts a program directly: no shell reads it. The page chooses the number of cores
and one of the profiles found here, and nothing else of it.
"""

from __future__ import annotations

import codecs
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

from s1monthly.errors import FileError, S1MonthlyError
from s1monthly.workflow.environment import workflow_folder
from s1monthly.workflow.run_lock import living_runs

LINES = 1000
"""Lines of output that are kept, and of failures."""

PATIENCE, TRIES = 15.0, 4
"""When the explorer ends, its run is interrupted so often, with so many seconds between, and then killed."""

_PROGRESS = re.compile(r"(?P<done>\d+) of (?P<total>\d+) jobs(?:, about (?P<left>.+) left)?$")


class RunError(S1MonthlyError):
    """A run that cannot be started here and now."""


def most_cores() -> int:
    """Return the number of cores of this machine."""
    return os.cpu_count() or 1


def profiles() -> dict[str, Path]:
    """Return the profiles that can be chosen, by name: those in ``profiles/`` here or beside the Snakefile.

    The profile `default` applies to every run, and is no choice.
    """
    found: dict[str, Path] = {}
    for folder in (workflow_folder() / "profiles", Path("profiles")):  # one's own counts more
        found |= {path.parent.name: path.parent for path in sorted(folder.glob("*/config*.yaml"))}
    return {name: path for name, path in sorted(found.items()) if name != "default"}


def command(configfile: str | Path, cores: int, profile: str = "", *, preview: bool = False) -> list[str]:
    """Return the command of a run, as a list of words.

    Parameters
    ----------
    configfile : path
        Configuration.
    cores : int
        Cores to use; without effect if a profile is given, which decides that itself.
    profile : str
        One of `profiles`; empty: the jobs run on this machine.
    preview : bool
        Say what the run would do, and run nothing.

    Raises
    ------
    RunError
        If there is no such profile, or there are not so many cores.
    """
    snakemake = Path(sys.executable).with_name("snakemake")
    words = [str(snakemake)] if snakemake.exists() else [sys.executable, "-m", "snakemake"]
    if workflow_folder() != Path.cwd():
        words += ["--snakefile", str(workflow_folder() / "Snakefile")]
    if profile:
        known = profiles()
        if profile not in list(known):  # a page may send what is no text
            raise RunError(f"profile {profile!r}: there is none", f"choose one of {', '.join(known) or 'none'}")
        words += ["--profile", str(known[profile])]
    elif type(cores) is int and 1 <= cores <= most_cores():
        words += ["--cores", str(cores)]
    else:
        raise RunError(f"{cores!r} cores: this machine has {most_cores()}", f"give a number from 1 to {most_cores()}")
    return [*words, *["--dry-run"] * preview, "--configfile", str(configfile)]  # takes targets behind it for files


def as_text(words: list[str]) -> str:
    """Return a line that runs a command, from any folder, when it is pasted into a terminal."""
    return f"{shlex.join(['cd', os.getcwd()])} && {shlex.join(words)}"


@dataclass
class Output:
    """What a run has printed so far.

    Attributes
    ----------
    lines : deque of str
        Its last lines.
    failures : deque of str
        Lines that name failed jobs and their logs.
    done, total : int
        Jobs of the run; 0 and 0 until the first has finished.
    left : str
        About how long the others will take, such as ``3 min``; may be empty.
    """

    lines: deque[str] = field(default_factory=lambda: deque(maxlen=LINES))
    failures: deque[str] = field(default_factory=lambda: deque(maxlen=LINES))
    done: int = 0
    total: int = 0
    left: str = ""
    _decoder: codecs.IncrementalDecoder = field(
        default_factory=lambda: codecs.getincrementaldecoder("utf-8")(errors="replace")
    )
    _begun: str = ""

    def add(self, content: bytes, *, last: bool = False) -> None:
        """Take what was printed since the last call; after the `last`, nothing comes."""
        *lines, self._begun = (self._begun + self._decoder.decode(content, final=last)).split("\n")
        if last and self._begun:
            lines.append(self._begun)
        for line in lines:
            self.lines.append(line)
            if line.startswith(("FAILED ", "  log: ")):
                self.failures.append(line)
            if match := _PROGRESS.search(line):
                self.done, self.total, self.left = int(match["done"]), int(match["total"]), match["left"] or ""


class Runner:
    """The one run, or preview, of an explorer. It goes on while no page is open.

    Parameters
    ----------
    tree : path
        Output tree.

    Attributes
    ----------
    words : list of str
        Command of the run that was started last; empty: none was.
    preview : bool
        True if that only says what a run would do.
    output : Output
        What it has printed; `look` brings this up to date.
    returncode : int or None
        Its exit code; None while it runs.
    stopped : bool
        True if it was told to stop.
    """

    def __init__(self, tree: str | Path) -> None:
        self._tree = Path(tree)
        self._process: subprocess.Popen[bytes] | None = None
        self._printed = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the explorer
        self._position = 0
        self.words: list[str] = []
        self.preview = self.stopped = False
        self.output = Output()
        self.returncode: int | None = None

    @property
    def running(self) -> bool:
        """True while the process works; up to date after `look`."""
        return self._process is not None and self.returncode is None

    def start(self, words: list[str], *, preview: bool = False) -> None:
        """Start a command in this folder, in a process group of its own.

        Raises
        ------
        RunError
            If the explorer's run still works, or another run works on the output tree; the error says whose.
        RunLockError
            If the file of another run is damaged.
        FileError
            If the output tree is not writable, or the program is not there.
        """
        self.look()
        if self.running:
            what = "preview" if self.preview else "run"
            raise RunError(f"{self._tree}: a {what} of this explorer works", "wait until it has ended, or stop it")
        try:
            others = living_runs(self._tree)
            if others:
                since = f"another run works on it since {others[0].since}: {others[0].who}"
                raise RunError(f"{self._tree}: {since}", "wait until it has ended")
            printed = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the explorer
            process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_heed_interrupts,
            )
        except OSError as error:
            raise FileError.of(error, str(self._tree)) from error
        self._printed.close()
        self._process, self._printed, self._position = process, printed, 0
        self.words, self.preview, self.stopped = list(words), preview, False
        self.output, self.returncode = Output(), None

    def look(self) -> None:
        """Bring `output` and `returncode` up to date."""
        if self._process is None or self.returncode is not None:
            return
        code = self._process.poll()  # before the reading: an ended process prints no more
        while content := os.pread(self._printed.fileno(), 1 << 20, self._position):  # its own position is the writer's
            self._position += len(content)
            self.output.add(content)
        if code is not None:
            self.output.add(b"", last=True)
            self.returncode = code

    def stop(self) -> None:
        """Interrupt the run and its jobs, as Ctrl-C does. It ends soon after; if it does not hear, call this again."""
        self.look()
        if self._process is not None and self.running:
            self.stopped = True
            os.killpg(self._process.pid, signal.SIGINT)

    def close(self, patience: float = PATIENCE) -> None:
        """Stop the run because the explorer ends, and wait until it has ended.

        Snakemake may lose an interrupt while it plans. So the run is interrupted again after `patience` seconds, and
        killed if it still works then, or if the user presses Ctrl-C.
        """
        try:
            for _ in range(TRIES):
                self.stop()
                if self._ends_within(patience):
                    return
        except KeyboardInterrupt:
            pass
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self.look()

    def _ends_within(self, seconds: float) -> bool:
        if self._process is not None and self.running:
            try:
                self._process.wait(seconds)
            except subprocess.TimeoutExpired:
                return False
        self.look()
        return True


def _heed_interrupts() -> None:
    """Let the run end by `Runner.stop`, even if the explorer was started with ``&`` in a script, which ignores them."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
