"""Reads web pages, from hosts that the Agent's manifest allows (env `READABLE_HOSTS`)."""

import os
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from horos import ToolContext, tool

CHUNK = 64 * 1024
MOST = 4 * 1024 * 1024


@tool(idempotent=True, parallel=True, timeout_seconds=30)
def read_page(url: str, context: ToolContext) -> str:
    """Read the text of a web page.

    Args:
        url: Its address, with http:// or https://.
    """
    _check(url)
    request = Request(url, headers={"User-Agent": "horos desk-tools"})
    with build_opener(_CheckedRedirects).open(request, timeout=context.seconds_left) as answer:
        parts: list[bytes] = []
        size = 0
        while size < MOST and (part := answer.read(CHUNK)):
            parts.append(part)
            size += len(part)
            context.progress(f"{size // 1024} KiB read")
        page = b"".join(parts).decode(answer.headers.get_content_charset() or "utf-8", errors="replace")
        return _text_of(page) if answer.headers.get_content_subtype() == "html" else page


def _check(url: str) -> None:
    parts = urlsplit(url)
    readable = os.environ.get("READABLE_HOSTS", "").split()
    if parts.scheme not in ("http", "https"):
        raise ValueError(f"{url!r}: expected an address with http:// or https://")
    if parts.hostname not in readable:
        raise ValueError(f"{parts.hostname} may not be read; readable: {', '.join(readable) or 'none'}")


class _CheckedRedirects(HTTPRedirectHandler):
    """A page may not lead to a host that is not allowed either."""

    def redirect_request(self, *about: Any) -> Request | None:
        _check(about[-1])
        return super().redirect_request(*about)


class _Words(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self._silent += tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:
        self._silent -= tag in ("script", "style") and self._silent > 0

    def handle_data(self, data: str) -> None:
        if not self._silent and data.strip():
            self.words.append(data.strip())


def _text_of(page: str) -> str:
    words = _Words()
    words.feed(page)
    return "\n".join(words.words)
