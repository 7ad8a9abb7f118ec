"""Earthdata Login: which hosts may see it, what a refusal means, and a test at the start of a run."""

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
"""Name under which a user approves the archive in their Earthdata Login profile."""

MOST_REDIRECTS = 12
"""A login needs five redirects."""


class Login:
    """The user's login, and the hosts that may see it.

    Parameters
    ----------
    host : str
        Host of Earthdata Login, with its port if that is not 443.
    trusted : collection of str
        Domains that may see a token, with their subdomains; on any port unless one is named. Only the login host may
        see a password.
    """

    def __init__(self, host: str, trusted: Collection[str]) -> None:
        self.host = host
        self._trusted = (host, *trusted)
        self._local = threading.local()
        self._lock = threading.Lock()

    @property
    def credentials(self) -> Credentials:
        """The credentials, looked up at first use: cached layers need none."""
        with self._lock:  # all threads share one look-up and one warning
            return self._found

    @cached_property
    def _found(self) -> Credentials:
        return find_credentials(self.host)

    def authorization(self, url: str) -> str | None:
        """Return the Authorization header that may be sent to an address, or None."""
        if self.credentials.scheme == "Bearer":
            shown = self.trusts(url)
        else:
            shown = urlsplit(url).scheme == "https" and _within(url, self.host, subdomains=False)
        return self.credentials.authorization if shown else None

    def trusts(self, url: str) -> bool:
        """Tell whether an address uses HTTPS and is on a trusted host."""
        return urlsplit(url).scheme == "https" and any(_within(url, domain) for domain in self._trusted)

    @property
    def session(self) -> requests.Session:
        """The session of this thread; threads do not share connections or cookies."""
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = _Session(_Policy(self))
        return session

    def get(self, url: str, clock: Clock, most: int | None = None) -> Answer:
        """Get an address; send the login to hosts that may see it. `clock` and `most` as in `transfer.read_body`.

        Returns
        -------
        Answer
            Its status is 200, or one that is permanent and unrelated to the login, such as 404.

        Raises
        ------
        CredentialsError
            If there is no login, it is refused, or a login page came instead of a file.
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
                # a signed address: the signature expires soon, and every try gets a new one
                raise PassingFault(f"the signed address is refused ({told} from {answer.host})")
            raise self._refusal(answer)
        return answer

    def _is_login(self, answer: Answer) -> bool:
        return _within(answer.url, self.host, subdomains=False)

    def _refusal(self, answer: Answer) -> CredentialsError:
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
    """Sets the Authorization header of each request according to its host."""

    def __init__(self, login: Login) -> None:
        self._login = login

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers.pop("Authorization", None)
        shown = self._login.authorization(request.url or "")
        if shown:
            request.headers["Authorization"] = shown
        return request


class _Session(requests.Session):
    """A session that applies the policy to every request and redirect.

    On its own, `requests` sends netrc entries (even ``default``) to any host and drops the token at every redirect to
    another host. Proxies and certificates come from the environment as usual.
    """

    def __init__(self, policy: _Policy) -> None:
        super().__init__()
        self.auth = self._policy = policy
        self.max_redirects = MOST_REDIRECTS
        # identity: the archive's own bytes, so that their number can be compared
        self.headers.update({"User-Agent": f"s1monthly/{VERSION}", "Accept-Encoding": "identity"})

    def rebuild_auth(self, prepared_request: requests.PreparedRequest, response: requests.Response) -> None:
        """Apply the policy to a redirect."""
        self._policy(prepared_request)


def _within(url: str, domain: str, subdomains: bool = True) -> bool:
    """Tell whether an address is on a host; on any port if the host is given without one."""
    parts, named = urlsplit(url), urlsplit(f"//{domain}")
    host, name = parts.hostname or "", named.hostname or ""
    if named.port and (parts.port or 443) != named.port:
        return False
    return bool(name) and (host == name or (subdomains and host.endswith(f".{name}")))


def is_tiff(body: bytes) -> bool:
    """Tell whether bytes begin like a TIFF or BigTIFF."""
    return body[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def _is_page(answer: Answer) -> bool:
    """Tell whether a web page came with status 200, from a login, a proxy or a portal."""
    html = answer.content_type in ("text/html", "application/xhtml+xml") or answer.body.lstrip()[:1] == b"<"
    return answer.status == 200 and html and not is_tiff(answer.body)


def check_login(login: str, s3_credentials: str, trusted: Collection[str], timeout: float = 20.0) -> None:
    """Test the login once before anything is downloaded.

    If the archive does not answer, this is only logged: it may answer later.

    Parameters
    ----------
    login : str
        Host of Earthdata Login.
    s3_credentials : str
        Address that gives temporary keys for S3; it answers every valid login.
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
