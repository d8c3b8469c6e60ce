"""What SNS wants us to visit: the certificates it signs with, and the page that confirms a subscription.

Only `services.providers.ses` makes the URLs that come here: HTTPS, at the SNS host of a region in which a topic of ours
is. Redirects are not followed.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable

import httpx

from optimizer.errors import Unavailable
from optimizer.services.keys.rates import Bucket, Rate
from optimizer.services.providers.arrivals import wrong

Fetch = Callable[[str], Awaitable[httpx.Response]]

SECONDS = 5.0  # for a visit
LARGEST = 64 * 1024  # bytes of what is found there
MOST_CERTIFICATES = 32
VISITS = Rate(1, 20)  # of pages that are not known yet: SNS has a certificate a region, and changes it once a year
_WAIT_SECONDS = 10


async def fetch_over_https(url: str) -> httpx.Response:
    """What is at a URL.

    Raises:
        httpx.HTTPError: it cannot be reached.
    """
    async with httpx.AsyncClient(timeout=SECONDS, follow_redirects=False) as client:
        return await client.get(url)


class Amazon:
    """Visits SNS, and remembers its certificates.

    Args:
        fetch: how a URL is visited.
    """

    def __init__(self, fetch: Fetch = fetch_over_https) -> None:
        self._fetch = fetch
        self._certificates: OrderedDict[str, bytes] = OrderedDict()
        self._visits = Bucket(VISITS)

    def knows(self, certificate_url: str) -> bool:
        """Whether this certificate is at hand."""
        return certificate_url in self._certificates

    async def certificate(self, url: str) -> bytes:
        """The certificate of a URL, in PEM.

        Raises:
            Unsigned: there is none.
            Unavailable: SNS cannot be reached.
        """
        if url not in self._certificates:
            found = await self._visit(url)
            if found is None:
                raise wrong("no certificate where it should be")
            self._certificates[url] = found
            if len(self._certificates) > MOST_CERTIFICATES:
                self._certificates.popitem(last=False)
        return self._certificates[url]

    async def confirm(self, url: str) -> None:
        """Say yes to a subscription.

        Raises:
            Unavailable: SNS cannot be reached, or takes no yes.
        """
        if await self._visit(url) is None:
            raise Unavailable("the subscription could not be confirmed; SNS may ask again", _WAIT_SECONDS)

    async def _visit(self, url: str) -> bytes | None:
        """What is there; None if SNS has nothing there."""
        if self._visits.take(1):
            raise Unavailable("SNS was visited too often; the same message may be taken later", _WAIT_SECONDS)
        try:
            answer = await self._fetch(url)
        except httpx.HTTPError as error:
            raise Unavailable("SNS could not be reached; the same message may be taken later", _WAIT_SECONDS) from error
        if answer.status_code >= 500:
            raise Unavailable("SNS could not answer; the same message may be taken later", _WAIT_SECONDS)
        return answer.content if answer.status_code == 200 and len(answer.content) <= LARGEST else None
