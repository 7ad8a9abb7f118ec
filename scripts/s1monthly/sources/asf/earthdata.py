"""Earthdata Login: which host may see it, what a refusal means, and one question at the start of a run."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Collection
from functools import cached_property
from urllib.parse import urlsplit

import requests
from requests.auth import AuthBase

from s1monthly import VERSION
from s1monthly.errors import CredentialsError
from s1monthly.sources.asf.credentials import TOKEN, Credentials, find_credentials
from s1monthly.sources.asf.patience import PassingFault
from s1monthly.sources.asf.transfer import PAGE, PASSING, Answer, Clock, FinalFault, ask, without_query

__all__ = ["Credentials", "Login", "check_login", "find_credentials", "is_tiff"]

LOGGER = logging.getLogger("s1monthly")

APPLICATION = "Alaska Satellite Facility Data Access"
"""Name under which the archive asks to be approved in a user's Earthdata Login profile."""

MOST_REDIRECTS = 12
"""A login takes five."""


class Login:
    """The user's login, and the hosts that may see it.

    Parameters
    ----------
    host : str
        Of Earthdata Login; with a port where it is not 443.
    trusted : collection of str
        Domains that may see a token, their subdomains included; any port where none is named. A password is shown to
        the login host alone.
    """

    def __init__(self, host: str, trusted: Collection[str]) -> None:
        self.host = host
        self._trusted = (host, *trusted)
        self._local = threading.local()
        self._lock = threading.Lock()

    @property
    def credentials(self) -> Credentials:
        """Looked up when they are first needed: what is cached needs none."""
        with self._lock:  # one look-up, and one warning, for all threads
            return self._found

    @cached_property
    def _found(self) -> Credentials:
        return find_credentials(self.host)

    def authorization(self, url: str) -> str | None:
        """What an address may see of the login: the Authorization header's value, or None."""
        if self.credentials.scheme == "Bearer":
            shown = self.trusts(url)
        else:
            shown = urlsplit(url).scheme == "https" and _within(url, self.host, subdomains=False)
        return self.credentials.authorization if shown else None

    def trusts(self, url: str) -> bool:
        """Tell whether an address is on a trusted host and reached by HTTPS."""
        return urlsplit(url).scheme == "https" and any(_within(url, domain) for domain in self._trusted)

    @property
    def session(self) -> requests.Session:
        """Session of the running thread: connections and cookies are not shared between threads."""
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = _Session(_Policy(self))
        return session

    def get(self, url: str, clock: Clock, most: int | None = None) -> Answer:
        """Get an address, showing the login where it may be seen.

        Parameters
        ----------
        url : str
        clock : Clock
            Reading ends when its time is up.
        most : int, optional
            Bytes after which a file is not read any further.

        Returns
        -------
        Answer
            Of status 200, or of another that says nothing about the login and will not pass, such as 404.

        Raises
        ------
        CredentialsError
            If there is no login, or it is refused, or a login page came instead of a file.
        PassingFault
            If the fault may pass.
        FinalFault
            If the address or the server's certificate is not usable.
        """
        answer = ask(self.session, url, clock, most)
        told = f"HTTP {answer.status}"
        if answer.status in PASSING or answer.status >= 500:
            raise PassingFault(f"{told} from {answer.host}", answer.wait)
        if self._is_login(answer) or _is_page(answer):
            raise self._refusal(answer)
        if answer.status in (401, 403):
            if answer.redirected and not self.trusts(answer.url):
                # a signed address: its signature is good for a short time, and is made anew with every try
                raise PassingFault(f"the signed address is refused ({told} from {answer.host})")
            raise self._refusal(answer)
        return answer

    def _is_login(self, answer: Answer) -> bool:
        return _within(answer.url, self.host, subdomains=False)

    def _refusal(self, answer: Answer) -> CredentialsError:
        """Say why the login did not open the door."""
        page = answer.status == 200
        told = f"from {answer.host}, " + ("a login page" if page else f"HTTP {answer.status}")
        text = answer.body.decode("utf-8", "replace")
        token, origin = self.credentials.scheme == "Bearer", self.credentials.origin
        if page and not self.trusts(answer.url):
            return CredentialsError(
                f"{answer.host} sent a web page instead of the file",
                "where a proxy or a portal stands before the archive, log in there first",
            )
        if not self.trusts(answer.url):
            return CredentialsError(
                f"{answer.host} wants a login, and is not among the hosts that may see yours ({told})",
                "where it belongs to the archive, add its domain to source.hosts.trusted",
            )
        approval = re.search(rf"https?://{re.escape(self.host)}/approve_app\?client_id=[\w-]+", text)
        if approval or re.search(r"\bEULA\b|approve_app", text):
            where = approval[0] if approval else f"https://{self.host} (My Profile, Applications)"
            return CredentialsError(
                f"your Earthdata Login account has not approved the archive's application, or its EULA ({told})",
                f"log in at {where}, approve {APPLICATION!r} and accept its EULA",
            )
        if answer.status == 403:
            return CredentialsError(
                f"the archive forbids access to the login from {origin} ({told})",
                f"log in at https://{self.host}: get a new token if yours is old, and approve {APPLICATION!r} there"
                " (My Profile, Applications)",
            )
        if token:
            return CredentialsError(
                f"the token in {origin} is refused: expired, revoked, or not whole ({told})",
                f"get a new token at https://{self.host} (Generate Token), then export {TOKEN}=<token>",
            )
        return CredentialsError(
            f"user name or password from {origin} is wrong ({told})",
            f"try them by hand at https://{self.host}, then mend them",
        )


class _Policy(AuthBase):
    """Writes the Authorization header of each request by the host it goes to, and nothing else."""

    def __init__(self, login: Login) -> None:
        self._login = login

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers.pop("Authorization", None)
        shown = self._login.authorization(request.url or "")
        if shown:
            request.headers["Authorization"] = shown
        return request


class _Session(requests.Session):
    """Asks the policy for every request and redirect.

    `requests` on its own sends netrc entries, the ``default`` one too, to any host, and takes the token off at every
    redirect to another host. Proxies and certificates come from the environment as usual.
    """

    def __init__(self, policy: _Policy) -> None:
        super().__init__()
        self.auth = self._policy = policy
        self.max_redirects = MOST_REDIRECTS
        # identity: bytes as they are in the archive, so that their number can be compared
        self.headers.update({"User-Agent": f"s1monthly/{VERSION}", "Accept-Encoding": "identity"})

    def rebuild_auth(self, prepared_request: requests.PreparedRequest, response: requests.Response) -> None:
        """Apply the policy to a redirect."""
        self._policy(prepared_request)


def _within(url: str, domain: str, subdomains: bool = True) -> bool:
    """Tell whether an address is on a host; on any port where the host is named without one."""
    parts, named = urlsplit(url), urlsplit(f"//{domain}")
    host, name = parts.hostname or "", named.hostname or ""
    if named.port and (parts.port or 443) != named.port:
        return False
    return bool(name) and (host == name or (subdomains and host.endswith(f".{name}")))


def is_tiff(body: bytes) -> bool:
    """Tell whether bytes begin as a TIFF does, BigTIFF included."""
    return body[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def _is_page(answer: Answer) -> bool:
    """Tell whether a web page came with status 200: a login's, a proxy's or a portal's."""
    html = answer.content_type in ("text/html", "application/xhtml+xml") or answer.body.lstrip()[:1] == b"<"
    return answer.status == 200 and html and not is_tiff(answer.body)


def check_login(login: str, s3_credentials: str, trusted: Collection[str], timeout: float = 20.0) -> None:
    """Ask once for what every valid login gets, before anything is downloaded.

    Where the archive does not answer, this is only logged: it may answer when it is needed.

    Parameters
    ----------
    login : str
        Host of Earthdata Login.
    s3_credentials : str
        Address that gives temporary keys for S3.
    trusted : collection of str
        Domains that may see the login.
    timeout : float
        Seconds.

    Raises
    ------
    CredentialsError
        If there is no login, or it is refused.
    """
    try:
        answer = Login(login, trusted).get(s3_credentials, Clock(timeout), PAGE)
        trouble = "" if answer.status == 200 else f"HTTP {answer.status} from {answer.host}"
    except (PassingFault, FinalFault) as fault:
        trouble = fault.reason
    if trouble:
        LOGGER.warning("Earthdata Login could not be tried out at %s: %s", without_query(s3_credentials), trouble)
