"""What a page does: it says what went wrong, waits until nothing else is asked for, and reads beside other work."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from bokeh.document import Document, without_document_lock
from bokeh.model import Model

from s1monthly.errors import FileError, S1MonthlyError

Work = Callable[[], None]
T = TypeVar("T")


class Actor:
    """Runs the work of a visit.

    Attributes
    ----------
    document : Document
    say : callable
        Shows a message; an empty one ends the last.
    """

    def __init__(self, document: Document, say: Callable[[str], None]) -> None:
        self.document, self.say = document, say
        self._asked: dict[str, int] = {}

    def do(self, work: Work) -> None:
        """Do some work; say what went wrong in the page."""
        try:
            work()
        except S1MonthlyError as error:
            self.say(str(error))
        except OSError as error:
            self.say(str(FileError.of(error, "the output tree")))

    def on(self, model: Model, name: str, work: Work) -> None:
        """Do some work whenever a property of a model changes."""

        def changed(attr: str, old: Any, new: Any) -> None:
            self.do(work)

        model.on_change(name, changed)

    def soon(self, name: str, work: Work, delay: int = 0) -> None:
        """Do some work once it was not asked for again for `delay` milliseconds: once for many calls."""
        self._asked[name] = number = self._asked.get(name, 0) + 1

        def now() -> None:
            if self._asked[name] == number:
                self.do(work)

        self.document.add_timeout_callback(now, delay)

    def forget(self, name: str) -> None:
        """Let what was asked for under a name come to nothing."""
        self._asked[name] = self._asked.get(name, 0) + 1

    def beside(self, name: str, work: Callable[[], T], show: Callable[[T], None]) -> None:
        """Do long work in a thread, then show its result, unless work of that name was asked for again."""
        self._asked[name] = number = self._asked.get(name, 0) + 1

        def end(result: Callable[[], T]) -> None:
            if self._asked[name] == number:
                self.do(lambda: show(result()))

        def failed(error: Exception) -> T:
            raise error

        async def wait() -> None:
            try:
                found = await asyncio.to_thread(work)
            except (S1MonthlyError, OSError) as error:
                self.document.add_next_tick_callback(partial(end, partial(failed, error)))
            else:
                self.document.add_next_tick_callback(partial(end, lambda: found))

        unlocked: Any = without_document_lock(wait)
        self.document.add_next_tick_callback(unlocked)
