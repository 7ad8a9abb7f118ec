"""The explorer's server in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from queue import Queue

from s1monthly.explorer.page import build_page
from s1monthly.explorer.running import Runner
from s1monthly.explorer.server import address_of, make_server


@contextmanager
def served(base_dir: Path) -> Iterator[str]:
    """Serve the explorer of a tree; yield the address of its page."""
    started: Queue[tuple[str, asyncio.AbstractEventLoop]] = Queue()

    def serve() -> None:
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        runner = Runner(str(base_dir))
        server = make_server(partial(build_page, output_dir=str(base_dir), runner=runner))
        server.start()
        started.put((address_of(server), loop))
        loop.run_forever()
        server.stop()
        runner.close()
        loop.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    address, loop = started.get(timeout=60)
    try:
        yield address
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout=60)
