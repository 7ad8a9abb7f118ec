"""A SLURM of several nodes on this machine, started and stopped by a test: own folders, own ports, own keys.

It installs nothing: where the Debian packages slurm-wlm and munge are present, munged, slurmctld and one slurmd a node
run as whoever runs the test, root or not, without systemd, cgroups or an accounting database. Nothing outside its
folder is touched, and a SLURM that the machine has already is not disturbed.

By hand: ``python tests/slurm/cluster.py`` runs one until it is interrupted, and says how to use it.
"""

from __future__ import annotations

import getpass
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

DAEMONS = ("munged", "slurmctld", "slurmd")
COMMANDS = ("munge", "sbatch", "scancel", "scontrol", "sinfo", "squeue", "srun")

CONFIGURATION = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/%n
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/%n.log
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MailProg=/bin/true
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=sched_interval=1,batch_sched_delay=0,bf_interval=2
MinJobAge=3600
SlurmdTimeout=10
KillWait=5
ReturnToService=2
SwitchType=switch/none
MpiDefault=none
{nodes}
PartitionName={partition} Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


REAPER = """
import ctypes, os, subprocess, sys
PR_SET_CHILD_SUBREAPER = 36
assert ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
daemon = subprocess.Popen(sys.argv[1:])
try:
    while True:
        os.wait()
except ChildProcessError:
    sys.exit()
"""
"""Runs a daemon and inherits what the daemon lets go: all that a node runs stays below one process, while any lives."""


def missing_programs() -> list[str]:
    """Programs of a SLURM that this machine lacks."""
    return [name for name in (*DAEMONS, *COMMANDS) if not _program(name)]


def _program(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")


def _free_ports(count: int) -> list[int]:
    with ExitStack() as held:
        found = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in found:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in found]


def wait_until(true: Callable[[], bool], seconds: float, what: str) -> None:
    """Wait for something to come true; fail, saying what was waited for, when it does not in time."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"waited {seconds:g} s in vain: {what}"
        time.sleep(0.2)


@dataclass
class Cluster:
    """A running SLURM.

    Attributes
    ----------
    folder : Path
        Configuration, keys, state and logs; its name must be short, as sockets lie in it.
    nodes : tuple of str
        Names of the nodes. All are this machine.
    cores : int
        Cores that each node claims to have.
    partition : str
    """

    folder: Path
    nodes: tuple[str, ...] = ("node1", "node2")
    cores: int = 2
    partition: str = "main"
    _daemons: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables of the test, and those by which SLURM's commands find this cluster."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("SLURM_", "SBATCH_", "SRUN_"))}
        path = f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
        return {**kept, "SLURM_CONF": str(self.folder / "slurm.conf"), "PATH": path}

    def start(self) -> None:
        """Start all daemons and wait until every node is idle."""
        for name in ("bin", "state", "munge", *self.nodes):
            (self.folder / name).mkdir(parents=True)
        (self.folder / "munge" / "key").write_bytes(secrets.token_bytes(1024))
        (self.folder / "munge" / "key").chmod(0o400)
        (self.folder / "slurm.conf").write_text(self._configuration())
        (self.folder / "plugstack.conf").touch()
        # inside a job Snakemake's plugin takes SLURM's variables from srun, which would then look in /etc
        self._write_step()
        munge = self.folder / "munge"
        files = [f"--{what}-file={munge}/{what}" for what in ("key", "pid", "log", "seed")]
        self._run("munged", "--foreground", "--force", f"--socket={munge}/socket", *files)
        wait_until((munge / "socket").exists, 20, f"munged, see {munge}/log")
        self._run("slurmctld", "-D", "-c")
        for node in self.nodes:
            self.start_node(node)
        wait_until(lambda: set(self.node_states().values()) == {"idle"}, 60, f"idle nodes, see {self.folder}/*.log")

    def _write_step(self, setting: str = "") -> None:
        step = self.folder / "bin" / "srun"
        step.write_text(f'#!/bin/sh\n{setting} SLURM_CONF={self.folder}/slurm.conf exec {_program("srun")} "$@"\n')
        step.chmod(0o755)

    @contextmanager
    def changed_step(self, setting: str) -> Iterator[None]:
        """Let jobs see another environment variable, such as ``HOME=/elsewhere``, than where they were submitted."""
        self._write_step(setting)
        try:
            yield
        finally:
            self._write_step()

    def _configuration(self) -> str:
        ports = _free_ports(1 + len(self.nodes))
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
        nodes = [
            f"NodeName={node} NodeHostname={socket.gethostname()} NodeAddr=127.0.0.1 Port={port} "
            f"CPUs={self.cores} RealMemory={memory // len(self.nodes)} State=UNKNOWN"
            for node, port in zip(self.nodes, ports[1:], strict=True)
        ]
        return CONFIGURATION.format(
            host=socket.gethostname().split(".")[0],
            user=getpass.getuser(),
            folder=self.folder,
            ports=ports,
            nodes="\n".join(nodes),
            partition=self.partition,
        )

    def _run(self, daemon: str, *arguments: str, name: str = "") -> None:
        program = _program(daemon)
        assert program, f"{daemon} is not there"
        with open(self.folder / f"{name or daemon}.out", "ab") as told:
            self._daemons[name or daemon] = subprocess.Popen(
                [program, *arguments],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=told,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def start_node(self, node: str) -> None:
        """Start a node's daemon; also one that was killed."""
        self._run(sys.executable, "-c", REAPER, _program("slurmd") or "slurmd", "-D", "-N", node, name=node)

    def kill_node(self, node: str) -> None:
        """Let a node die: its daemon and all that it runs are killed at one stroke, and nobody is told."""
        reaper = self._daemons.pop(node)
        while reaper.poll() is None:
            with suppress(psutil.NoSuchProcess):
                for one in psutil.Process(reaper.pid).children(recursive=True):
                    with suppress(psutil.NoSuchProcess):
                        one.kill()

    def ask(self, *command: str) -> str:
        """Run one of SLURM's commands and return what it prints."""
        return subprocess.run(
            command, env=self.environment, capture_output=True, text=True, check=True, timeout=60
        ).stdout

    def node_states(self) -> dict[str, str]:
        """State of every node, such as ``idle`` or ``down``."""
        try:
            told = self.ask("sinfo", "-h", "-N", "-o", "%N %T")
        except subprocess.CalledProcessError:  # the controller does not answer yet
            return {}
        return dict(line.split() for line in told.splitlines())

    def jobs(self, *states: str) -> list[dict[str, str]]:
        """Jobs in one of some states, or in any: id, state, node, what they are (comment), and what they may use."""
        told = self.ask("squeue", "-h", "-t", ",".join(states) or "all", "-o", "%i|%T|%N|%k|%m|%l")
        keys = ("id", "state", "node", "comment", "memory", "time")
        return [dict(zip(keys, line.split("|"), strict=True)) for line in told.splitlines()]

    def stop(self) -> None:
        """End every job and daemon."""
        for node in [node for node in self.nodes if node in self._daemons]:
            self.kill_node(node)
        for process in reversed(self._daemons.values()):
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._daemons.clear()


@contextmanager
def running_cluster() -> Iterator[Cluster]:
    """Run a cluster in a new folder, and leave nothing of it behind."""
    folder = Path(tempfile.mkdtemp(prefix="slurm"))  # pytest's own folders are too deep for sockets
    cluster = Cluster(folder)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(folder)


if __name__ == "__main__":
    with running_cluster() as started:
        print(f"export SLURM_CONF={started.folder}/slurm.conf", *started.node_states().items(), sep="\n", flush=True)
        with suppress(KeyboardInterrupt):
            signal.pause()
