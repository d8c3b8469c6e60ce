"""A browser that is signed in, as far as tests of pages need one."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from html import unescape
from typing import Any

import httpx
import pytest

from optimizer.services.keys.api_keys import Scope


@dataclass
class Console:
    """A client of the console of one server: keeps cookies, fills in the session's token, follows the way back."""

    url: str
    key: str
    client: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        self.client = httpx.Client(base_url=self.url, timeout=30, headers={"Sec-Fetch-Site": "same-origin"})

    def sign_in(self, key: str | None = None, **fields: str) -> httpx.Response:
        return self.client.post("/console/sign-in", data={"key": key or self.key, **fields})

    def get(self, url: str, **rest: Any) -> httpx.Response:
        return self.client.get(url, **rest)

    def text(self, url: str) -> str:
        """A page that is there."""
        answer = self.get(url)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        return answer.text

    def whole(self, url: str) -> str:
        """A page that is there, once everything on it is worked out."""
        for _ in range(300):
            page = self.text(url)
            if "data-pending" not in page:
                return page
            time.sleep(0.1)
        raise AssertionError(f"{url} is not worked out in 30 seconds")

    @property
    def csrf(self) -> str:
        found = re.search(r'name="csrf" value="([^"]+)"', self.text("/console"))
        assert found, "no form on the overview"
        return found[1]

    def post(self, url: str, /, **fields: str) -> httpx.Response:
        """Post a form with the session's token; the answer is not followed."""
        return self.client.post(url, data={"csrf": self.csrf, "note": "because", **fields})

    def said(self, answer: httpx.Response) -> str:
        """The one sentence that the page says which an answer leads to."""
        assert answer.status_code == 303, answer.text
        page = self.text(answer.headers["location"])
        found = re.search(r'<p class="said[^>]*>.*?</span>(.*?)</p>', page, re.DOTALL)
        assert found, page
        return unescape(found[1])


@pytest.fixture
def open_console() -> Iterator[Callable[..., Console]]:
    """Opens browsers: ``open_console(service)`` is signed in; ``scopes=[…]`` of a key of its own, or ``key=…``."""
    with ExitStack() as leaving:

        def make(service: Any, key: str | None = None, scopes: list[Scope] | None = None, name: str = "ann") -> Console:
            if scopes is not None:
                key = service.deployment.create_key(name, scopes)
            made = Console(service.url, key or service.key)
            leaving.callback(made.client.close)
            answer = made.sign_in()
            assert answer.status_code == 303, answer.text
            return made

        yield make


@pytest.fixture
def console(service: Any, open_console: Callable[..., Console]) -> Console:
    """A signed-in browser of a real server, on each database."""
    return open_console(service)


@pytest.fixture
def site_console(site: Any, open_console: Callable[..., Console]) -> Console:
    """The same of the module's one server on SQLite."""
    return open_console(site)
