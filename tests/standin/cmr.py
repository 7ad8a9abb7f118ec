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
    place : int
        How many of the matches the client has been past, as its header says.
    entries : tuple of Entry
        Granules on the page.
    last : int
        How many of the matches the client is past with this page.
    hits : int
        How many granules match, as told.
    header : bool
        Tell where the next page begins; CMR does, unless the page is empty.
    timed_out : bool
        Tell that the search took too long and the page is not whole.
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


def read_token(text: str, query: Query) -> list[Any]:
    """Read the header that asks for the next page."""
    try:
        values = json.loads(text)
    except json.JSONDecodeError:
        values = None
    if not isinstance(values, list):
        raise BadQuery("search-after header value is invalid, must be in the form of a JSON array.")
    wanted = len(query.sort_keys) + 2
    if len(values) != wanted:
        raise BadQuery(
            'The search failed with error: [{:type "illegal_argument_exception", :reason "search_after has'
            f' {len(values)} value(s) but sort has {wanted}."}}]. Please double check your search_after header.'
        )
    return values


@dataclass
class CmrServer:
    """Answers searches over an archive.

    Attributes
    ----------
    archive : Archive
    data_url : str
        Scheme and host of the files in the records.
    credentials_url : str
        Where the records say that keys to the bucket are handed out.
    tls : ssl.SSLContext
    page_size : int, optional
        Largest number of granules on a page whatever is asked; without it what is asked.
    web : WebServer
        With the log and the faults.
    """

    archive: Archive
    data_url: str
    credentials_url: str
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

    def record(self, entry: Entry) -> dict[str, Any]:
        """A granule's record with the links of these servers."""
        return umm_g_item(entry, self.data_url, self.credentials_url)

    def _answer(self, request: Request) -> Reply:
        if request.path != PATH or request.method not in {"GET", "POST"}:
            return _refusal(404, ["The requested resource could not be found."])
        try:
            return self.reply(self._page(request))
        except BadQuery as error:
            return _refusal(400, error.errors)

    def _page(self, request: Request) -> Page:
        query = parse_query(request.parameters, DEFAULT_PAGE_SIZE)
        if self.page_size is not None:
            query = replace(query, page_size=min(query.page_size, self.page_size))
        matches = query.find(list(self.archive.entries.values()))
        token = request.headers.get(SEARCH_AFTER)
        if token is None:
            return Page.cut(query, matches, 0, 0)
        *values, place = read_token(token, query)
        first = next((i for i, entry in enumerate(matches) if query.is_behind(entry, values)), len(matches))
        return Page.cut(query, matches, first, place)

    def reply(self, page: Page) -> PageReply:
        """Write a page."""
        body = {"hits": page.hits, "took": 7, "items": [self.record(entry) for entry in page.entries]}
        body.pop(page.without, None)
        headers = [CONTENT_TYPE, ("CMR-Hits", str(page.hits)), ("CMR-Took", "7")]
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

    def cut_short(self, count: int, *, lost: bool = True, header: bool = True, timed_out: bool = False) -> Fault:
        """Leave granules out of the page though more match.

        Parameters
        ----------
        count : int
            Granules that stay; 0 for an empty page.
        lost : bool
            The next page begins where it would have; else behind the last granule that stayed.
        header : bool
            False leaves the header out that asks for the next page.
        timed_out : bool
            As when CMR gives up a search after 170 s: with a header that says so.
        """

        def change(page: Page) -> Page:
            last = page.last if lost else page.last - len(page.entries[count:])
            return replace(page, entries=page.entries[:count], last=last, header=header, timed_out=timed_out)

        return self.changed(change)

    def first_again(self, *, goes_on: bool = True) -> Fault:
        """Serve the first page in place of this one.

        Parameters
        ----------
        goes_on : bool
            The next page is that behind the one that was asked for; else the second.
        """

        def change(page: Page) -> Page:
            again = Page.cut(page.query, page.matches, 0, 0)
            return replace(again, last=page.last) if goes_on else again

        return self.changed(change)

    def more_hits(self, number: int) -> Fault:
        """Tell of so many more (or fewer) granules than match."""
        return self.changed(lambda page: replace(page, hits=page.hits + number))

    def mixed(self, seed: int, doubled: int = 0) -> Fault:
        """Serve the matches in another order; to be set for every page of a search.

        Parameters
        ----------
        seed : int
            Of the order.
        doubled : int
            So many of the first granules come twice, and are counted twice.
        """

        def change(page: Page) -> Page:
            matches = [*page.matches, *page.matches[:doubled]]
            random.Random(seed).shuffle(matches)
            return Page.cut(page.query, matches, page.place, page.place)

        return self.changed(change)

    def without(self, key: str) -> Fault:
        """Leave a key out of the body, such as ``items`` or ``hits``."""
        return self.changed(lambda page: replace(page, without=key))


def _refusal(code: int, errors: list[str]) -> Reply:
    return Reply(code, json.dumps({"errors": errors}).encode(), (JSON,))
