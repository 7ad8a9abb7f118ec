"""Servers that stand in for CMR, Earthdata Login and the OPERA archive: only their hosts differ.

One call starts them all over an archive of granules::

    archive = Archive()
    archive.add(write_granule(folder))
    with standins(archive) as world:
        world.cmr.faults = [status(503), None]  # the first request fails, the second does not
        ...  # talk to world.hosts
"""

from standin.archive import Archive
from standin.faults import Hold, cut, drop, flip, login_page, reset, status, trickle
from standin.s3 import slow_down
from standin.web import Reply, WebServer
from standin.world import World, standins

__all__ = [
    "Archive", "Hold", "Reply", "WebServer", "World", "cut", "drop", "flip", "login_page", "reset", "slow_down",
    "standins", "status", "trickle",
]  # fmt: skip
