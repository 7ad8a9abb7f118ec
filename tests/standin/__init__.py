"""Servers that stand in for CMR, Earthdata Login and the OPERA archive: only their hosts differ.

One call starts them all over an archive of granules::

    archive = Archive()
    archive.add(write_granule(folder))
    with standins(archive) as world:
        world.cmr.faults = [status(503), None]  # the first request fails, the second does not
        ...  # talk to world.hosts
"""

from standin.archive import Archive, Entry, HeldFile
from standin.cmr import CmrServer
from standin.credentials import Account, KeyRing, Keys
from standin.earthdata import EarthdataServer
from standin.faults import Hold, cut, drop, flip, login_page, reset, status, trickle
from standin.s3 import S3Server, slow_down
from standin.umm_g import umm_g_item
from standin.web import Reply, Request, WebServer
from standin.world import Hosts, World, standins

__all__ = [
    "Account",
    "Archive",
    "CmrServer",
    "EarthdataServer",
    "Entry",
    "HeldFile",
    "Hold",
    "Hosts",
    "KeyRing",
    "Keys",
    "Reply",
    "Request",
    "S3Server",
    "WebServer",
    "World",
    "cut",
    "drop",
    "flip",
    "login_page",
    "reset",
    "slow_down",
    "standins",
    "status",
    "trickle",
    "umm_g_item",
]
