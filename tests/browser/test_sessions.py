"""Who gets in, and what others can make a browser do that is signed in: nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from playwright.sync_api import expect
from tests.browser.conftest import OWN_WORDS, PATIENCE, Shop, Window

from optimizer.deployment import now
from optimizer.domain.controls import Status
from optimizer.domain.instants import MINUTE
from optimizer.services.keys.api_keys import Scope, key_hash
from optimizer.services.keys.key_care import revoke_keys
from optimizer.web.console.sessions import IDLE, Cookies, Session

pytestmark = pytest.mark.slow

WINBACK = "/console/campaigns/winback"
STEER = "section[aria-labelledby=steer]"


def test_a_wrong_key_opens_nothing_and_the_page_says_so(own_shop: Shop, window: Callable[..., Window]) -> None:
    stranger = window(own_shop, key=None)
    stranger.page.goto(f"{own_shop.url}{WINBACK}")
    expect(stranger.page).to_have_url(re.compile("/console/sign-in\\?next="))
    field = stranger.page.get_by_label("API key")
    assert field.evaluate("one => document.activeElement === one"), "one can type at once"
    right = own_shop.key
    wrong = right[:-1] + ("a" if right[-1] != "a" else "b")
    field.fill(wrong)
    with stranger.page.expect_navigation():
        stranger.page.get_by_role("button", name="Sign in").click()
    assert stranger.page.get_by_role("alert").inner_text().strip()
    assert wrong not in stranger.page.content(), "a key, even a wrong one, is not written into a page"
    assert stranger.page.locator("nav").count() == 0
    assert [cookie["name"] for cookie in stranger.page.context.cookies()] == []
    stranger.page.get_by_label("API key").fill(right)
    with stranger.page.expect_navigation():
        stranger.page.get_by_role("button", name="Sign in").click()
    expect(stranger.page).to_have_url(f"{own_shop.url}{WINBACK}")  # where they were going
    cookies = {cookie["name"]: cookie for cookie in stranger.page.context.cookies()}
    assert cookies["optimizer"]["httpOnly"]
    assert cookies["optimizer"]["sameSite"] == "Lax"
    assert stranger.page.evaluate("document.cookie") == ""


def test_a_session_that_ends_in_the_middle_of_a_wish_does_nothing_and_says_so(
    own_shop: Shop, window: Callable[..., Window]
) -> None:
    ann = window(own_shop)
    ann.go(WINBACK)
    form = ann.form("Pause", STEER)
    form.get_by_label("Why?").fill(OWN_WORDS)
    at = now() - IDLE - MINUTE
    old = Cookies(own_shop.deployment.live.secret).sealed(Session(key_hash(own_shop.key), at, "token", at), at)
    ann.page.context.add_cookies([{"name": "optimizer", "value": old, "url": own_shop.url}])
    before = own_shop.length
    said = ann.send(form.get_by_role("button", name="Pause"))
    assert "Your session has ended; nothing was done; sign in again." in said
    assert own_shop.length == before
    assert own_shop.controls("winback").status is Status.RUNNING
    ann.page.get_by_label("API key").fill(own_shop.key)
    with ann.page.expect_navigation():
        ann.page.get_by_role("button", name="Sign in").click()
    expect(ann.page).to_have_url(f"{own_shop.url}{WINBACK}")  # back to the form
    assert own_shop.length == before, "nothing is done behind somebody's back"


def test_a_key_that_is_revoked_ends_its_sessions(own_shop: Shop, window: Callable[..., Window]) -> None:
    lost = window(own_shop, key=own_shop.deployment.create_key("laptop", [Scope.MANAGE]))
    lost.go(WINBACK)
    form = lost.form("Stop", STEER)
    form.get_by_label("Why?").fill("I am not who you think")
    revoke(own_shop, "laptop")
    watcher = window(own_shop, key=None)
    cookies = lost.page.context.cookies()
    watcher.page.context.add_cookies([{**cookie, "url": own_shop.url} for cookie in _bare(cookies)])
    for _ in range(100):  # within seconds
        watcher.page.goto(f"{own_shop.url}/console/reviews")
        if "/sign-in" in watcher.page.url:
            break
        watcher.page.wait_for_timeout(200)
    assert "/sign-in" in watcher.page.url
    before = own_shop.length
    assert "nothing was done" in lost.send(form.get_by_role("button", name="Stop"))
    assert own_shop.length == before
    assert own_shop.controls("winback").status is Status.RUNNING


def revoke(shop: Shop, name: str) -> None:
    """Make the keys of a name open nothing any more, as the terminal does."""
    with shop.deployment.store.writing() as ledger:
        revoke_keys(ledger, name, ending=None, actor="tester", now=now())


def _bare(cookies: list[Any]) -> list[Any]:
    return [{"name": cookie["name"], "value": cookie["value"]} for cookie in cookies]


def test_whoever_signs_out_is_out_in_every_tab(own_shop: Shop, window: Callable[..., Window]) -> None:
    key = own_shop.deployment.create_key("tabs", [Scope.MANAGE])
    first = window(own_shop, key=key)
    second = Window(first.page.context.new_page(), own_shop.url)
    second.go(WINBACK)
    form = second.form("Pause", STEER)
    form.get_by_label("Why?").fill(OWN_WORDS)
    assert "Signed out" in first.send(first.page.get_by_role("button", name="Sign out"))
    before = own_shop.length
    second.send(form.get_by_role("button", name="Pause"))
    expect(second.page).to_have_url(re.compile("/console/sign-in"))
    assert own_shop.length == before
    first.page.go_back()
    first.page.reload()
    expect(first.page).to_have_url(re.compile("/console/sign-in"))


@pytest.mark.parametrize("token", ["", "0" * 32])
def test_a_form_without_the_token_of_its_session_does_nothing(
    own_shop: Shop, window: Callable[..., Window], token: str
) -> None:
    ann = window(own_shop)
    ann.go(WINBACK)
    form = ann.form("Stop", STEER)
    form.get_by_label("Why?").fill(OWN_WORDS)
    form.locator('[name="csrf"]').evaluate("(field, to) => to ? field.value = to : field.remove()", token)
    before = own_shop.length
    with ann.page.expect_navigation() as answered:
        form.get_by_role("button", name="Stop").click()
    assert answered.value.status == 403
    assert "open the page again" in ann.main.inner_text()
    assert own_shop.length == before
    assert own_shop.controls("winback").status is Status.RUNNING


def test_a_page_of_others_makes_a_browser_do_nothing_though_it_is_signed_in(
    own_shop: Shop, window: Callable[..., Window]
) -> None:
    ann = window(own_shop)
    ann.go(WINBACK)
    csrf = ann.page.locator('[name="csrf"]').first.input_value()
    before = own_shop.length
    for token in ("", csrf):  # even if they had it
        for path in (f"{WINBACK}/stop", "/console/sign-out", "/console/quarantine/retry", "/console/recipients/erase"):
            with others(f"{own_shop.url}{path}", token) as url:
                victim = Window(ann.page.context.new_page(), own_shop.url)
                with victim.page.expect_navigation(url=f"**{path}", timeout=PATIENCE) as answered:
                    victim.page.goto(url, wait_until="commit")
                assert answered.value.status == 403, path
                assert "sent by" in victim.main.inner_text()
                victim.page.close()
        with others(f"{own_shop.url}{WINBACK}/stop", token, fetched=True) as url:
            victim = Window(ann.page.context.new_page(), own_shop.url)
            victim.page.goto(url)
            expect(victim.page.locator("#done")).to_have_text("done")
            victim.page.close()
    assert own_shop.length == before
    assert own_shop.controls("winback").status is Status.RUNNING
    ann.page.reload()
    assert "/sign-in" not in ann.page.url, "nobody is signed out by others"


def test_no_page_of_others_frames_the_console(own_shop: Shop, window: Callable[..., Window]) -> None:
    ann = window(own_shop)
    with others(f"{own_shop.url}/console", "", framed=True) as url:
        ann.page.goto(url)
        ann.page.wait_for_load_state("networkidle")
        (frame,) = ann.page.main_frame.child_frames
        assert "Sign out" not in frame.content()
    assert any("frame-ancestors" in one for one in ann.complaints)


@contextmanager
def others(target: str, token: str, *, fetched: bool = False, framed: bool = False) -> Iterator[str]:
    """The address of a page of somebody else's, who wishes that a browser posts something to ours."""
    fields = {"csrf": token, "note": "ha", "recipient": "customer-7", "confirmation": "customer-7", "all": "yes"}
    inputs = "".join(f'<input name="{name}" value="{value}">' for name, value in fields.items() if value)
    page = f'<form method="post" action="{target}">{inputs}</form><script>document.forms[0].submit()</script>'
    if fetched:
        sent = "&".join(f"{name}={value}" for name, value in fields.items())
        wishes = f'{{method: "POST", mode: "no-cors", credentials: "include", body: new URLSearchParams("{sent}")}}'
        page = f"""<p id=done></p><script>
            const tell = () => document.getElementById("done").textContent = "done";
            fetch("{target}", {wishes}).then(tell, tell)</script>"""
    if framed:
        page = f'<iframe src="{target}" width="900" height="900"></iframe>'

    class Theirs(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = page.encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Theirs)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"  # another origin, and to browsers the same site
    finally:
        server.shutdown()
        server.server_close()
        thread.join(30)


def test_of_two_who_decide_at_once_the_second_is_told_who_was_faster(
    own_shop: Shop, window: Callable[..., Window]
) -> None:
    ann, ben = window(own_shop), window(own_shop, key=own_shop.deployment.create_key("ben", [Scope.MANAGE]))
    for one in (ann, ben):
        one.go(WINBACK)
    assert "we-miss-you is pinned" in ben.act("Pin one", "it is the best", within=STEER, variant="we-miss-you")
    before = own_shop.length
    form = ann.form("Pin one", STEER)
    form.locator("select").select_option("last-chance")
    form.get_by_label("Why?").fill("no, this one")
    said = ann.send(form.get_by_role("button"))
    assert re.search(r"changed since you looked \(ben at \d\d:\d\d \w+: pin, “it is the best”\)", said)
    assert "nothing was done" in said
    assert ann.refused
    assert own_shop.length == before
    assert own_shop.controls("winback").pinned == "we-miss-you"
    assert "we-miss-you is pinned" in ann.main.inner_text(), "the page shows what is so now"
    ben.act("Unpin", within=STEER)
    assert own_shop.controls("winback").pinned is None


def test_who_may_only_look_sees_no_form_and_can_send_none(own_shop: Shop, window: Callable[..., Window]) -> None:
    eve = window(own_shop, key=own_shop.deployment.create_key("eve", [Scope.ANALYSE]))
    lists = [f"/console/{name}" for name in ("reviews", "proposals/1", "quarantine", "recipients")]
    for path in ("/console", WINBACK, *lists):
        eve.go(path)
        assert eve.page.locator('main form[method="post"]').count() == 0, path
        assert eve.page.locator("details.action").count() == 0, path
    eve.go(WINBACK)
    assert "may look" in eve.page.locator("header").inner_text()
    csrf = eve.page.locator('header [name="csrf"]').input_value()
    before = own_shop.length
    status = eve.page.evaluate(
        """([url, csrf]) => fetch(url, {method: "POST", body: new URLSearchParams({csrf, note: "ha"})})
            .then((answer) => answer.status)""",
        [f"{WINBACK}/stop", csrf],
    )
    assert status == 403
    assert own_shop.length == before


def test_a_key_of_a_machine_opens_no_page(own_shop: Shop, window: Callable[..., Window]) -> None:
    robot = window(own_shop, key=None)
    robot.page.goto(f"{own_shop.url}/console/sign-in")
    robot.page.get_by_label("API key").fill(own_shop.deployment.create_key("robot", [Scope.DECIDE]))
    with robot.page.expect_navigation():
        robot.page.get_by_role("button", name="Sign in").click()
    assert "found scopes decide; allowed analyse or manage" in robot.page.get_by_role("alert").inner_text()
