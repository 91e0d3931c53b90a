"""The page's files, and the session with which a browser reads events."""

import re

import httpx2
import pytest

from horos_gateway.auth import COOKIE, SESSION_SECONDS, Authority, Verb
from horos_gateway.problems import UnauthorizedError
from horos_gateway.window import FILES
from tests.gateway.conftest import TOKEN
from tests.gateway.test_messages import refused

PAGE = {"X-Horos-Page": "1"}


@pytest.fixture
async def browser(gateway):
    """A client that keeps cookies, and shows no token by itself."""
    async with httpx2.AsyncClient(verify=False, base_url=gateway) as http:
        yield http


async def log_in(browser, token=TOKEN, **more):
    return await browser.post("/api/v1/session", data={"token": token, **more}, headers=PAGE)


async def test_the_page_and_all_its_files_are_served_and_nothing_else(browser):
    names = sorted(path.name for path in FILES.iterdir())
    assert {"index.html", "style.css", "main.js"} <= set(names)
    for name in names:
        answer = await browser.get(f"/console/{name}")
        assert answer.status_code == 200
        assert answer.content == (FILES / name).read_bytes()
    assert (await browser.get("/console/")).headers["content-type"].startswith("text/html")
    refused(await browser.get("/console/nothing.js"), 404, "not-found")
    refused(await browser.get("/console/..%2fauth.py"), 404, "not-found")


async def test_the_page_lets_no_foreign_code_in(browser):
    answer = await browser.get("/console/")
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    for path in FILES.iterdir():
        text = path.read_text()
        assert "innerHTML" not in text, path
        assert "insertAdjacentHTML" not in text, path
        assert "eval(" not in text, path
    page = (FILES / "index.html").read_text()
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\son\w+=|\sstyle=", page)
    assert not re.search(r"(src|href)=\"(/|\w+:)", page), "relative, so that it works behind a proxy"


async def test_a_file_that_is_known_already_is_not_sent_again(browser):
    etag = (await browser.get("/console/main.js")).headers["etag"]
    again = await browser.get("/console/main.js", headers={"If-None-Match": etag})
    assert (again.status_code, again.content) == (304, b"")
    assert "content-security-policy" in again.headers


@pytest.mark.parametrize("path", ["/", "/console"])
async def test_the_way_to_the_page_is_relative(browser, path):
    answer = await browser.get(path)
    assert (answer.status_code, answer.headers["location"]) == (307, "console/")


async def test_a_session_opens_what_the_token_opens_and_ends_with_the_logout(space, browser):
    await space.agent()
    refused(await browser.get(space.agents_url), 401, "unauthorized")
    begun = await log_in(browser)
    assert begun.status_code == 204
    cookie = begun.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert "path" not in cookie.lower(), "a browser keeps it to this folder, whatever the prefix"
    assert "secure" not in cookie.lower()
    assert TOKEN not in cookie
    assert (await browser.get(space.agents_url)).status_code == 200
    sent = await browser.post(f"{space.agents_url}/ada/messages", json={"text": "hi"}, headers=PAGE)
    assert sent.status_code == 202
    assert (await browser.delete("/api/v1/session", headers=PAGE)).status_code == 204
    refused(await browser.get(space.agents_url), 401, "unauthorized")


async def test_a_page_that_came_by_tls_gets_a_cookie_for_tls_only(browser):
    assert "Secure" in (await log_in(browser, secure="yes")).headers["set-cookie"]


async def test_a_wrong_token_begins_no_session(browser):
    for token in ("", "wrong", TOKEN + "x"):
        answer = await log_in(browser, token)
        refused(answer, 401, "unauthorized", "", "not the gateway's")
        assert "set-cookie" not in answer.headers


async def test_another_site_can_do_nothing_with_a_session(space, browser):
    await space.agent()
    await log_in(browser)
    url = f"{space.agents_url}/ada"
    for path, body in (
        ("messages", {"text": "hi"}),
        ("cancel", None),
        ("terminate", None),
        ("approvals/decide", {"id": "ada/1-0/1.0", "verdict": "approve"}),
    ):
        refused(await browser.post(f"{url}/{path}", json=body), 403, "forbidden", "X-Horos-Page")
    for site in ("cross-site", "same-site", "none"):
        headers = {**PAGE, "Sec-Fetch-Site": site}
        refused(await browser.get(url, headers=headers), 403, "forbidden", "Sec-Fetch-Site")
        refused(await browser.post("/api/v1/session", headers=headers), 403, "forbidden", "Sec-Fetch-Site")
    refused(await browser.delete("/api/v1/session"), 403, "forbidden", "X-Horos-Page")
    refused(await browser.post("/api/v1/session", data={"token": TOKEN}), 403, "forbidden", "X-Horos-Page")
    mine = await browser.get(url, headers={"Sec-Fetch-Site": "same-origin"})
    assert mine.status_code == 200
    assert (await space.http.get(url, headers={"Sec-Fetch-Site": "cross-site"})).status_code == 200


@pytest.mark.parametrize("session", ["x", ".", "9999999999.", "9999999999.00", "9999999999.é", "٣.x"])
async def test_a_session_that_we_did_not_begin_is_refused(gateway, session):
    headers = {"Cookie": f"{COOKIE}={session}".encode()}
    async with httpx2.AsyncClient(verify=False, base_url=gateway, headers=headers) as http:
        refused(await http.get("/api/v1/namespaces/x/agents"), 401, "unauthorized", "", "enter the token")


async def test_a_session_ends_by_itself_and_with_the_token():
    class Headers(dict[str, str]):
        pass

    now = [1000.0]
    authority = Authority(TOKEN, lambda: now[0])
    headers = Headers(cookie=f"{COOKIE}={authority.new_session()}")
    now[0] += SESSION_SECONDS - 1
    await authority.check(headers, Verb.WATCH, "", "")
    with pytest.raises(UnauthorizedError, match="over"):
        await Authority(TOKEN + "2", lambda: now[0]).check(headers, Verb.WATCH, "", "")
    now[0] += 1
    with pytest.raises(UnauthorizedError, match="over"):
        await authority.check(headers, Verb.WATCH, "", "")


@pytest.mark.parametrize(
    ("content", "kind", "status", "said"),
    [
        (b"{}", "application/json", 415, "expected application/x-www-form-urlencoded"),
        (b"token", "application/x-www-form-urlencoded", 400, "expected token="),
        (b"\xff", "application/x-www-form-urlencoded", 400, "expected token="),
        (b"token=" + b"x" * 9000, "application/x-www-form-urlencoded", 413, "more than 8192 bytes"),
    ],
)
async def test_a_form_that_cannot_be_read_is_refused(browser, content, kind, status, said):
    headers = {**PAGE, "Content-Type": kind}
    answer = await browser.post("/api/v1/session", content=content, headers=headers)
    assert answer.status_code == status
    assert said in answer.json()["detail"]


@pytest.mark.parametrize("path", sorted(FILES.iterdir()), ids=lambda path: path.name)
def test_a_file_of_the_page_fits_in_a_head(path):
    assert len(path.read_text().splitlines()) < 300
