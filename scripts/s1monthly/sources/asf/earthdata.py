"""Earthdata Login: which hosts may see it, what a refusal means, and a test at the start of a run."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Collection
from urllib.parse import urlsplit

from requests.adapters import HTTPAdapter

from s1monthly.errors import CredentialsError
from s1monthly.sources import transfer
from s1monthly.sources.asf.credentials import TOKEN, Credentials, find_credentials
from s1monthly.sources.retries import FinalFault, PassingFault
from s1monthly.sources.transfer import PAGE, PASSING, SLOW_DOWN, Answer, Clock, Session, is_tiff, without_query

LOGGER = logging.getLogger("s1monthly")

APPLICATION = "Alaska Satellite Facility Data Access"
"""Name under which a user approves the archive in their Earthdata Login profile."""

MOST_KEPT = 64
"""Connections to a host that are kept for the next request: as many as any job may have."""


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
        self._lock = threading.Lock()
        self.session = Session(self.authorization)  # of all threads: one login, with its cookies, serves all
        self.session.mount("https://", HTTPAdapter(pool_maxsize=MOST_KEPT))
        self._credentials: Credentials | None = None

    @property
    def credentials(self) -> Credentials:
        """The credentials, looked up at first use: cached layers need none."""
        with self._lock:  # all threads share one look-up and one warning
            if self._credentials is None:
                self._credentials = find_credentials(self.host)
            return self._credentials

    def authorization(self, url: str) -> str | None:
        """Return the Authorization header that may be sent to an address, or None."""
        if self.credentials.scheme == "Bearer":
            allowed = self.trusts(url)
        else:
            allowed = urlsplit(url).scheme == "https" and _within(url, self.host, subdomains=False)
        return self.credentials.authorization if allowed else None

    def trusts(self, url: str) -> bool:
        """Return True if an address uses HTTPS and is on a trusted host."""
        return urlsplit(url).scheme == "https" and any(_within(url, domain) for domain in self._trusted)

    def get(self, url: str, clock: Clock, max_bytes: int | None = None, part: tuple[int, int] | None = None) -> Answer:
        """Get an address; send the login to hosts that may see it. Other arguments as in `transfer.get`.

        Returns
        -------
        Answer
            Its status is 200, 206 for a part, or one that is permanent and unrelated to the login, such as 404.

        Raises
        ------
        CredentialsError
            If there is no login, it is refused, or a login page came instead of a file.
        PassingFault
            If the fault may pass.
        FinalFault
            If the address or the server's certificate is not usable.
        """
        answer = transfer.get(self.session, url, clock, max_bytes, part)
        status = f"HTTP {answer.status}"
        if answer.status in PASSING or answer.status >= 500:
            raise PassingFault(f"{status} from {answer.host}", answer.wait, answer.status in SLOW_DOWN)
        refused = answer.status in (401, 403)
        at_login = _within(answer.url, self.host, subdomains=False)
        if refused and not at_login and answer.redirected and not self.trusts(answer.url):
            # a signed address: the signature expires soon, and every try gets a new one
            raise PassingFault(f"the signed address is refused ({status} from {answer.host})")
        if refused or at_login or _is_page(answer):
            raise self._refusal(answer)
        return answer

    def _refusal(self, answer: Answer) -> CredentialsError:
        page = answer.status == 200
        source = f"from {answer.host}, " + ("a login page" if page else f"HTTP {answer.status}")
        text = answer.body.decode("utf-8", "replace")
        token, origin = self.credentials.scheme == "Bearer", self.credentials.origin
        if page and not self.trusts(answer.url):
            return CredentialsError(
                f"{answer.host} sent a web page instead of the file",
                "where a proxy or a portal stands before the archive, log in there first",
            )
        if not self.trusts(answer.url):
            return CredentialsError(
                f"{answer.host} wants a login, and is not among the hosts that may see yours ({source})",
                "where it belongs to the archive, add its domain to source.hosts.trusted",
            )
        approval = re.search(rf"https?://{re.escape(self.host)}/approve_app\?client_id=[\w-]+", text)
        if approval or re.search(r"\bEULA\b|approve_app", text):
            where = approval[0] if approval else f"https://{self.host} (My Profile, Applications)"
            return CredentialsError(
                f"your Earthdata Login account has not approved the archive's application, or its EULA ({source})",
                f"log in at {where}, approve {APPLICATION!r} and accept its EULA",
            )
        if answer.status == 403:
            return CredentialsError(
                f"the archive forbids access to the login from {origin} ({source})",
                f"log in at https://{self.host}: get a new token if yours is old, and approve {APPLICATION!r} there"
                " (My Profile, Applications)",
            )
        if token:
            return CredentialsError(
                f"the token in {origin} is refused: expired, revoked, or not whole ({source})",
                f"get a new token at https://{self.host} (Generate Token), then export {TOKEN}=<token>",
            )
        return CredentialsError(
            f"user name or password from {origin} is wrong ({source})",
            f"try them by hand at https://{self.host}, then correct them",
        )


def _within(url: str, domain: str, subdomains: bool = True) -> bool:
    """Return True if an address is on a host; on any port if the host is given without one."""
    parts, named = urlsplit(url), urlsplit(f"//{domain}")
    host, name = parts.hostname or "", named.hostname or ""
    if named.port and (parts.port or 443) != named.port:
        return False
    return bool(name) and (host == name or (subdomains and host.endswith(f".{name}")))


def _is_page(answer: Answer) -> bool:
    """Return True if a web page came with status 200, from a login, a proxy or a portal."""
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
        problem = "" if answer.status == 200 else f"HTTP {answer.status} from {answer.host}"
    except (PassingFault, FinalFault) as fault:
        problem = fault.reason
    if problem:
        LOGGER.warning("Earthdata Login could not be tried out at %s: %s", without_query(s3_credentials), problem)
