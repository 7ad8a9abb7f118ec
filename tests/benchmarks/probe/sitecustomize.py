"""Writes down what each Python process used: for the benchmark, put on PYTHONPATH with BENCH_PROBE naming a folder.

Python imports a module of this name at every start. The process itself asks the system as the last thing it does:
Snakemake's own benchmark files sample twice a second, and keep Snakemake alive for a second at the end.
"""

import atexit
import os
import sys
import time

_FOLDER = os.environ.get("BENCH_PROBE")
_LOGS = os.path.join("work", "logs", "")
_MOMENTS = {"started": time.time() - time.process_time()}


def _note_log(event, arguments):
    """Note when the process opens its log file: a job does so as soon as its imports are through."""
    if event == "open" and "logged" not in _MOMENTS and _LOGS in str(arguments[0]):
        _MOMENTS["logged"] = time.time()


def _peak_bytes(resource):
    """Peak resident memory of this program; what `getrusage` calls so on Linux counts the parent's until `exec` too."""
    try:
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _write():
    import json
    import resource

    own, waited_for = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    found = _MOMENTS | {
        "program": sys.argv[0],
        "ended": time.time(),
        "cpu": own.ru_utime + own.ru_stime,
        "children_cpu": waited_for.ru_utime + waited_for.ru_stime,
        "peak_bytes": _peak_bytes(resource),
    }
    with open(os.path.join(_FOLDER, f"{os.getpid()}-{time.time_ns()}.json"), "w") as file:
        json.dump(found, file)


if _FOLDER:
    sys.addaudithook(_note_log)
    atexit.register(_write)
