"""Who gets in, for how long, and what a session may do."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from optimizer.domain.instants import HOUR, MINUTE, SECOND
from optimizer.services.keys.api_keys import REFRESH_SECONDS, WRONG_KEYS, Scope, key_hash
from optimizer.services.keys.key_care import revoke_keys
from optimizer.web.console.forms import MOST_FORM_BYTES, own_path
from optimizer.web.console.sessions import IDLE, LONGEST, SEALED_ANEW, Cookies, Session

SECRET = b"0123456789abcdef0123456789abcdef"
NOW = 1_790_000_000 * SECOND


def session(began: int = NOW, key: str = "ab" * 32) -> Session:
    return Session(key, began, "token", began)


def anyone(site: Any) -> httpx.Client:
    return httpx.Client(base_url=site.url, timeout=30)


# ---------------------------------------------------------------- cookies by themselves


def test_a_cookie_opens_with_the_same_secret_only_and_shows_nothing_of_what_it_holds() -> None:
    value = Cookies(SECRET).sealed(session(), NOW)
    opened = Cookies(SECRET).opened(value, NOW)
    assert opened is not None
    assert (opened.key_hash, opened.begun_at, opened.csrf) == ("ab" * 32, NOW, "token")
    assert Cookies(SECRET[::-1]).opened(value, NOW) is None
    assert "ab" * 8 not in value  # of fewer letters, chance may bring forth some
    assert "token" not in value


@pytest.mark.parametrize("changed", ["", "x", "é", "gAAAAA", "🂡"])
def test_what_is_no_cookie_of_ours_opens_nothing(changed: str) -> None:
    value = Cookies(SECRET).sealed(session(), NOW)
    assert Cookies(SECRET).opened(changed, NOW) is None
    flipped = value[:40] + ("A" if value[40] != "A" else "B") + value[41:]
    assert Cookies(SECRET).opened(flipped, NOW) is None


def test_a_session_ends_two_hours_after_the_last_page_and_twelve_after_it_began() -> None:
    cookies = Cookies(SECRET)
    value = cookies.sealed(session(), NOW)
    assert cookies.opened(value, NOW + IDLE) is not None
    assert cookies.opened(value, NOW + IDLE + SECOND) is None
    renewed = cookies.sealed(session(), NOW + LONGEST - HOUR)
    assert cookies.opened(renewed, NOW + LONGEST - 1) is not None
    assert cookies.opened(renewed, NOW + LONGEST) is None


def test_what_is_said_is_no_session_and_a_session_says_nothing() -> None:
    cookies = Cookies(SECRET)
    assert cookies.opened(cookies.sealed_words({"said": "x"}, NOW), NOW) is None
    assert cookies.opened_words(cookies.sealed(session(), NOW), NOW) == {}
    assert cookies.sealed_words({"said": "x" * 5_000}, NOW) == ""


# ---------------------------------------------------------------- signing in


def test_a_key_opens_the_pages_and_its_cookie_can_be_read_by_no_script(site: Any) -> None:
    with anyone(site) as client:
        answer = client.post("/console/sign-in", data={"key": f"  {site.key} "})
        assert (answer.status_code, answer.headers["location"]) == (303, "/console")
        cookie = next(line for line in answer.headers.get_list("set-cookie") if line.startswith("optimizer="))
        assert {"HttpOnly", "SameSite=lax", "Path=/", "Max-Age=7200"} <= set(cookie.split("; "))
        assert "Secure" not in cookie, "there is no TLS here"
        assert site.key not in cookie
        assert key_hash(site.key) not in cookie
        assert client.get("/console").status_code == 200


def test_over_tls_the_cookie_is_for_this_host_and_for_tls_alone(site: Any) -> None:
    with httpx.Client(base_url=site.url, headers={"X-Forwarded-Proto": "https"}) as client:
        answer = client.post("/console/sign-in", data={"key": site.key})
        cookie = next(line for line in answer.headers.get_list("set-cookie") if "-said" not in line)
        assert cookie.startswith("__Host-optimizer=")
        assert {"HttpOnly", "Secure", "SameSite=lax", "Path=/"} <= set(cookie.split("; "))
        value = cookie.partition("=")[2].partition(";")[0]
        assert client.get("/console", headers={"Cookie": f"__Host-optimizer={value}"}).status_code == 200
        other = client.get("/console", headers={"Cookie": f"optimizer={value}"})
        assert other.status_code == 303, "what anybody beside us may have set counts for nothing"


@pytest.mark.parametrize("key", ["opt_live_wrong", "", " ", "é" * 300, "x" * 5_000, "'; --"])
def test_a_wrong_key_is_told_so_and_is_not_repeated(site: Any, key: str) -> None:
    with anyone(site) as client:
        answer = client.post("/console/sign-in", data={"key": key})
        assert answer.status_code in {401, 422}
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert 'role="alert"' in answer.text
        assert "API key: found" in answer.text
        assert "www-authenticate" not in answer.headers, "a browser would ask for a password"
        assert "set-cookie" not in answer.headers
        assert not key.strip() or key not in answer.text


def test_whoever_guesses_keys_is_slowed_down(serve: Callable[..., Any], sqlite_house: Any) -> None:
    with serve(sqlite_house.deployment) as service, anyone(service) as client:
        assert service.client.get("/v1/audit").status_code == 200  # the service knows this key by now
        statuses = {
            client.post("/console/sign-in", data={"key": "opt_no"}).status_code for _ in range(WRONG_KEYS.burst)
        }
        assert statuses == {401}
        more = range(50 * WRONG_KEYS.burst)  # a slow machine gains tokens meanwhile
        slowed = (client.post("/console/sign-in", data={"key": "opt_no"}) for _ in more)
        refused = next(answer for answer in slowed if answer.status_code == 429)
        assert int(refused.headers["retry-after"]) >= 1
        assert "too many unknown ones from this address" in refused.text
        right = client.post("/console/sign-in", data={"key": service.key})
        assert right.status_code == 303, "who has a key passes whatever others behind the same address do"


@pytest.mark.parametrize("scope", [Scope.DECIDE, Scope.REPORT_OUTCOMES, Scope.EVALUATE_LOCALLY])
def test_keys_for_machines_open_no_page(site: Any, scope: Scope) -> None:
    with anyone(site) as client:
        answer = client.post("/console/sign-in", data={"key": site.deployment.create_key("machine", [scope])})
        assert answer.status_code == 403
        assert f"found scopes {scope.value}; allowed analyse or manage" in answer.text
        assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    ("wished", "led"),
    [
        ("/console/audit", "/console/audit"),
        ("/console/audit?campaign=winback&n=5", "/console/audit?campaign=winback&n=5"),
        ("//evil.example", "/console"),
        ("https://evil.example/console", "/console"),
        ("/console/../../evil", "/console"),
        ("/console\\@evil.example", "/console"),
        ("/consolevil.example", "/console"),
        ("/console/a\r\nSet-Cookie: x=y", "/console"),
        ("javascript:alert(1)", "/console"),
        ("/v1/campaigns", "/console"),
    ],
)
def test_after_signing_in_one_is_where_one_wished_to_be_and_never_elsewhere(site: Any, wished: str, led: str) -> None:
    with anyone(site) as client:
        answer = client.post("/console/sign-in", data={"key": site.key, "next": wished})
        assert (answer.status_code, answer.headers["location"]) == (303, led)
        form = client.get("/console/sign-in", params={"next": wished})
        assert f'name="next" value="{led.replace("&", "&amp;")}"' in form.text


def test_own_paths_are_those_of_the_console() -> None:
    assert own_path("/console/x y") is None
    assert own_path("/console?é") is None
    assert own_path(None) is None
    assert own_path("/console/campaigns/a:b") == "/console/campaigns/a:b"


# ---------------------------------------------------------------- sessions and their ends


def test_whoever_is_not_signed_in_is_led_to_the_sign_in_and_back(site: Any) -> None:
    with anyone(site) as client:
        answer = client.get("/console/audit?campaign=winback")
        assert answer.status_code == 303
        form = client.get(answer.headers["location"])
        (wished,) = re.findall(r'name="next" value="([^"]+)"', form.text)
        assert wished == "/console/audit?campaign=winback"
        assert "has ended" not in form.text


@pytest.mark.parametrize("began", [-LONGEST, -IDLE - MINUTE])
def test_an_old_session_leads_to_the_sign_in_which_says_why(site: Any, began: int) -> None:
    at = time.time_ns() // 1_000
    cookies = Cookies(site.deployment.live.secret)
    sealed_at = at if began == -LONGEST else at + began
    value = cookies.sealed(session(at + began, key_hash(site.key)), sealed_at)
    with anyone(site) as client:
        client.cookies.set("optimizer", value)
        answer = client.get("/console/strategy")
        assert answer.headers["location"] == "/console/sign-in?next=/console/strategy"
        assert "Your session has ended" in client.get(answer.headers["location"]).text


def test_a_session_of_an_hour_ago_is_renewed_and_ends_no_later_for_it(site: Any) -> None:
    at = time.time_ns() // 1_000
    cookies = Cookies(site.deployment.live.secret)
    with anyone(site) as client:
        client.cookies.set("optimizer", cookies.sealed(session(at - HOUR, key_hash(site.key)), at - SEALED_ANEW))
        answer = client.get("/console")
        fresh = answer.headers["set-cookie"].partition("=")[2].partition(";")[0]
        renewed = cookies.opened(fresh, at + MINUTE)
        assert renewed is not None
        assert renewed.begun_at == at - HOUR
        assert renewed.sealed_at >= at
        client.cookies.set("optimizer", fresh)
        assert "set-cookie" not in client.get("/console").headers, "once in a while is enough"


def test_who_has_the_secret_alone_cannot_make_a_session(site: Any) -> None:
    at = time.time_ns() // 1_000
    with anyone(site) as client:
        client.cookies.set("optimizer", Cookies(site.deployment.live.secret).sealed(session(at, "0" * 64), at))
        assert client.get("/console").status_code == 303


def test_a_session_ends_with_its_key_within_seconds(
    site: Any, open_console: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    console = open_console(site, scopes=[Scope.MANAGE], name="leaving")
    assert console.get("/console").status_code == 200
    with site.deployment.store.writing(alone=True) as ledger:
        revoke_keys(ledger, "leaving", ending=None, actor="tester", now=time.time_ns() // 1_000)
    until = time.monotonic() + 10 * REFRESH_SECONDS
    while console.get("/console").status_code == 200:
        assert time.monotonic() < until, "a revoked key still opens pages"
        time.sleep(0.05)
    assert console.get("/console").headers["location"] == "/console/sign-in"


@pytest.mark.slow
def test_a_session_ends_when_its_key_expires(site: Any, open_console: Callable[..., Any]) -> None:
    ends = time.time_ns() // 1_000 + 6 * SECOND  # by when a busy machine must have signed in
    key = site.deployment.create_key("short", [Scope.ANALYSE], expires_at=ends)
    console = open_console(site, key)
    assert console.get("/console").status_code == 200
    while time.time_ns() // 1_000 < ends + SECOND:  # the clock of the service may be a little behind
        time.sleep(0.05)
    assert console.get("/console").status_code == 303


@pytest.mark.slow
def test_any_worker_takes_the_session_of_any_other(
    house: Any, database_url: str, deploy: Callable[..., Any], serve: Callable[..., Any], open_console: Any
) -> None:
    with serve(house.deployment) as one, serve(deploy(database_url)) as other:
        here = open_console(one, scopes=[Scope.MANAGE], name="both")
        there = open_console(other, here.key)
        there.client.cookies = here.client.cookies
        assert there.csrf == here.csrf
        answer = there.post("/console/campaigns/winback/pause")
        assert there.said(answer) == "winback is paused: nothing is sent."


def test_signing_out_ends_the_session_in_this_browser(site: Any, open_console: Callable[..., Any]) -> None:
    console = open_console(site)
    answer = console.post("/console/sign-out")
    assert "Signed out" in console.said(answer)
    assert console.get("/console").status_code == 303


# ---------------------------------------------------------------- forms


PAUSE = "/console/campaigns/newsletter/pause"


@pytest.mark.parametrize("csrf", [None, "", "wrong", "é", "0" * 32])
def test_a_form_without_the_token_of_the_session_does_nothing(site: Any, site_console: Any, csrf: str | None) -> None:
    before = site.counts()
    fields = {"note": "because"} | ({} if csrf is None else {"csrf": csrf})
    answer = site_console.client.post(PAUSE, data=fields)
    assert answer.status_code == 403
    assert "found one of another session" in answer.text
    assert site.counts()["audit"] == before["audit"]


def test_a_token_of_another_session_is_none(site: Any, open_console: Callable[..., Any]) -> None:
    one, other = open_console(site), open_console(site)
    assert one.csrf != other.csrf
    assert one.client.post(PAUSE, data={"note": "x", "csrf": other.csrf}).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
    ],
)
@pytest.mark.parametrize("url", [PAUSE, "/console/sign-in", "/console/sign-out"])
def test_what_another_site_sends_does_nothing(site: Any, site_console: Any, url: str, headers: dict[str, str]) -> None:
    fields = {"note": "because", "csrf": site_console.csrf, "key": site.key}
    if "Origin" in headers:
        del site_console.client.headers["Sec-Fetch-Site"]
    before = site.counts()
    answer = site_console.client.post(url, data=fields, headers=headers)
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers
    assert site.counts()["audit"] == before["audit"]


def test_a_browser_without_these_headers_is_known_by_the_origin_of_the_form(site: Any, site_console: Any) -> None:
    fields = {"note": "because", "csrf": site_console.csrf}
    del site_console.client.headers["Sec-Fetch-Site"]
    answer = site_console.client.post(PAUSE, data=fields, headers={"Origin": site.url})
    assert answer.status_code == 303
    site_console.post(PAUSE.replace("pause", "resume"))


def test_an_ended_session_does_nothing_and_leads_back_to_the_page_of_the_form(site: Any) -> None:
    with anyone(site) as client:
        referer = f"{site.url}/console/campaigns/winback"
        answer = client.post(PAUSE, data={"note": "x"}, headers={"Referer": referer})
        assert answer.headers["location"] == "/console/sign-in?next=/console/campaigns/winback"
        assert "nothing was done" in client.get(answer.headers["location"]).text
        elsewhere = client.post(PAUSE, data={"note": "x"}, headers={"Referer": "https://evil.example/console/audit"})
        assert elsewhere.headers["location"] == "/console/sign-in"


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b'{"note": "x"}', "application/json", 415),
        (b"note=x", "text/plain", 415),
        (b"note=\xff\xfe", "application/x-www-form-urlencoded", 422),
        (b"note=%ff", "application/x-www-form-urlencoded", 422),
        (b"&".join(b"a%d=1" % n for n in range(500)), "application/x-www-form-urlencoded", 422),
        (b"note=" + b"x" * MOST_FORM_BYTES, "application/x-www-form-urlencoded", 413),
    ],
)
def test_what_is_no_form_of_ours_is_refused_with_a_page(
    site_console: Any, content: bytes, kind: str, status: int
) -> None:
    answer = site_console.client.post(PAUSE, content=content, headers={"Content-Type": kind})
    assert answer.status_code == status
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "form: found" in answer.text


def test_looking_changes_nothing_whatever_is_asked_for(site: Any, site_console: Any) -> None:
    before = site.counts()["audit"]
    for wish in ("pause", "stop", "resume", "review", "acknowledge", "approve", "learn"):
        assert site_console.get(f"/console/campaigns/winback/{wish}?note=x&csrf=x").status_code in {404, 405}
    assert site.counts()["audit"] == before
