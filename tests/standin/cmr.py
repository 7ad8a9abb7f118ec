"""The search service: NASA's CMR as far as searches for granules go."""

from __future__ import annotations

import json
import random
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from standin.archive import Archive, Entry
from standin.cmr_query import BadQuery, Query, parse_query
from standin.faults import JSON
from standin.umm_g import umm_g_item
from standin.web import Exchange, Fault, Reply, Request, WebServer

PATH = "/search/granules.umm_json"
SEARCH_AFTER = "CMR-Search-After"
CONTENT_TYPE = ("Content-Type", "application/vnd.nasa.cmr.umm_results+json;version=1.6.6; charset=utf-8")
DEFAULT_PAGE_SIZE = 10


@dataclass(frozen=True)
class Page:
    """One page of an answer.

    Attributes
    ----------
    query : Query
    matches : tuple of Entry
        Every granule that matches, in order.
    place, last : int
        How many of the matches the client is past before and after this page.
    entries : tuple of Entry
        Granules on the page.
    hits : int
        How many granules match, as the answer says.
    header : bool
        Say where the next page begins; CMR does, unless the page is empty.
    timed_out : bool
        Say that the search took too long and the page is not whole.
    without : str
        Key left out of the body.
    """

    query: Query
    matches: tuple[Entry, ...]
    place: int
    entries: tuple[Entry, ...]
    last: int
    hits: int
    header: bool
    timed_out: bool = False
    without: str = ""

    @classmethod
    def cut(cls, query: Query, matches: Sequence[Entry], first: int, place: int) -> Page:
        """Cut a page out of the matches."""
        entries = tuple(matches[first : first + query.page_size])
        return cls(query, tuple(matches), place, entries, first + len(entries), len(matches), bool(entries))

    @property
    def token(self) -> str:
        """Value of the header that asks for the next page: what the last granule is sorted by, and its place."""
        return json.dumps([*self.query.values(self.matches[self.last - 1]), self.last])


@dataclass(frozen=True)
class PageReply(Reply):
    """An answer with a page, for the faults that change it."""

    page: Page | None = None


@dataclass
class CmrServer:
    """Answers searches over an archive.

    Attributes
    ----------
    data_url : str
        Scheme and host of the files in the records.
    page_size : int, optional
        Largest number of granules on a page whatever is asked; without it what is asked.
    web : WebServer
        With the log and the faults.
    """

    archive: Archive
    data_url: str
    tls: ssl.SSLContext
    page_size: int | None = None
    web: WebServer = field(init=False)

    def __post_init__(self) -> None:
        self.web = WebServer(self._answer, self.tls)

    @property
    def log(self) -> list[Request]:
        """Requests so far."""
        return self.web.log

    @property
    def faults(self) -> Any:
        """What goes wrong with the coming requests; see `web.Faults`."""
        return self.web.faults

    @faults.setter
    def faults(self, faults: Any) -> None:
        self.web.faults = faults

    def _answer(self, request: Request) -> Reply:
        if request.path != PATH:
            return _refusal(404, "The requested resource could not be found.")
        try:
            return self.reply(self._page(request))
        except BadQuery as error:
            return _refusal(400, str(error))

    def _page(self, request: Request) -> Page:
        query = parse_query(request.parameters, DEFAULT_PAGE_SIZE)
        if self.page_size is not None:
            query = replace(query, page_size=min(query.page_size, self.page_size))
        matches = query.find(list(self.archive.entries.values()))
        token = request.headers.get(SEARCH_AFTER)
        if token is None:
            return Page.cut(query, matches, 0, 0)
        *values, place = json.loads(token)
        first = next((i for i, entry in enumerate(matches) if query.is_behind(entry, values)), len(matches))
        return Page.cut(query, matches, first, place)

    def reply(self, page: Page) -> PageReply:
        """Write a page."""
        items = [umm_g_item(entry, self.data_url) for entry in page.entries]
        body = {"hits": page.hits, "took": 7, "items": items}
        body.pop(page.without, None)
        headers = [CONTENT_TYPE, ("CMR-Hits", str(page.hits))]
        if page.timed_out:
            headers.append(("CMR-Timed-Out", "true"))
        if page.header:
            headers.append((SEARCH_AFTER, page.token))
        return PageReply(200, json.dumps(body).encode(), tuple(headers), page=page)

    def changed(self, change: Callable[[Page], Page]) -> Fault:
        """Make a fault of a change of the page."""

        def fault(exchange: Exchange) -> Reply:
            reply = exchange.answer()
            return self.reply(change(reply.page)) if isinstance(reply, PageReply) and reply.page else reply

        return fault

    def cut_short(self, count: int, *, header: bool = True) -> Fault:
        """Leave all but `count` granules out of the page; without `header`, also the way to the next page."""
        return self.changed(lambda page: replace(page, entries=page.entries[:count], header=header))

    def first_again(self, *, goes_on: bool = True) -> Fault:
        """Serve the first page in place of this one; the next is then the right one if `goes_on`, else the second."""

        def change(page: Page) -> Page:
            again = Page.cut(page.query, page.matches, 0, 0)
            return replace(again, last=page.last) if goes_on else again

        return self.changed(change)

    def more_hits(self, number: int) -> Fault:
        """Report so many more (or fewer) granules than match."""
        return self.changed(lambda page: replace(page, hits=page.hits + number))

    def mixed(self, seed: int, doubled: int = 0) -> Fault:
        """Serve the matches in a random order, the first `doubled` of them twice; for every page of a search."""

        def change(page: Page) -> Page:
            matches = [*page.matches, *page.matches[:doubled]]
            random.Random(seed).shuffle(matches)
            return Page.cut(page.query, matches, page.place, page.place)

        return self.changed(change)

    def without(self, key: str) -> Fault:
        """Leave a key out of the body, such as ``items`` or ``hits``."""
        return self.changed(lambda page: replace(page, without=key))


def _refusal(code: int, error: str) -> Reply:
    return Reply(code, json.dumps({"errors": [error]}).encode(), (JSON,))
