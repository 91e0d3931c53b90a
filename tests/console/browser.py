"""A headless Chromium, driven over WebDriver (https://www.w3.org/TR/webdriver2/) by its own chromedriver."""

import asyncio
import base64
import contextlib
import re
import shutil
import tempfile
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
ENTER = "\ue007"
SECONDS = 20.0
TRIES = 3
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-proxy-server",
)


class Browser:
    """One window. Whatever is waited for is asked again until it is there, or the deadline is over."""

    def __init__(self, http: httpx2.AsyncClient, session: str) -> None:
        self._http = http
        self._session = session

    async def open(self, url: str) -> None:
        await self._ask("url", {"url": url})

    async def reload(self) -> None:
        await self._ask("refresh", {})

    async def run(self, script: str, *arguments: Any) -> Any:
        """Run the body of a function in the page and return what it returns."""
        return await self._ask("execute/sync", {"script": script, "args": list(arguments)})

    async def until(self, expression: str, *arguments: Any) -> Any:
        """Wait until an expression (of `arguments[0]` …) is true in the page; returns its value."""
        deadline = time.monotonic() + SECONDS
        while not (value := await self.run(f"return {expression}", *arguments)):
            if time.monotonic() > deadline:
                text = await self.run("return document.body.innerText")
                pytest.fail(f"not within {SECONDS} s: {expression} {arguments}; the page says:\n{text}")
            await asyncio.sleep(0.02)
        return value

    async def shows(self, text: str, css: str = "body") -> None:
        """Wait until the text can be read in an element."""
        found = "[...document.querySelectorAll(arguments[0])].some((e) => e.innerText.includes(arguments[1]))"
        await self.until(found, css, text)

    async def hides(self, text: str, css: str = "body") -> None:
        """Wait until the text cannot be read there any more."""
        found = "[...document.querySelectorAll(arguments[0])].some((e) => e.innerText.includes(arguments[1]))"
        await self.until(f"!{found}", css, text)

    async def texts(self, css: str) -> list[str]:
        """What can be read in all elements that fit and are shown."""
        script = """return [...document.querySelectorAll(arguments[0])]
            .filter((e) => e.checkVisibility()).map((e) => e.innerText.trim())"""
        found: list[str] = await self.run(script, css)
        return found

    async def click(self, css: str) -> None:
        """Click as a person does: the element must be there and nothing may lie over it."""
        await self._ask(f"element/{await self._element(css)}/click", {})

    async def type(self, css: str, text: str) -> None:
        """Press the keys of a text."""
        await self._ask(f"element/{await self._element(css)}/value", {"text": text})

    async def clear(self, css: str) -> None:
        await self._ask(f"element/{await self._element(css)}/clear", {})

    async def devtools(self, command: str, **parameters: Any) -> Any:
        """Run a command of the DevTools protocol."""
        return await self._ask("goog/cdp/execute", {"cmd": command, "params": parameters})

    async def looks(self, width: int, height: int, scheme: str) -> None:
        """Set the size of the window and the person's wish for light or dark."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        await self.devtools("Emulation.setDeviceMetricsOverride", **metrics)
        features = [
            {"name": "prefers-color-scheme", "value": scheme},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]
        await self.devtools("Emulation.setEmulatedMedia", features=features)

    async def picture(self) -> bytes:
        """What the window looks like, as PNG."""
        return base64.b64decode(await self._ask("screenshot"))

    async def complaints(self) -> list[str]:
        """What the page wrote into the console as an error since this was asked last."""
        found = await self._ask("se/log", {"type": "browser"})
        return [entry["message"] for entry in found if entry["level"] == "SEVERE"]

    async def _element(self, css: str) -> str:
        shown = "document.querySelector(arguments[0])?.checkVisibility()"
        await self.until(shown, css)
        return str((await self._ask("element", {"using": "css selector", "value": css}))[ELEMENT])

    async def _ask(self, path: str, body: dict[str, Any] | None = None) -> Any:
        url = f"/session/{self._session}/{path}"
        answer = await (self._http.get(url) if body is None else self._http.post(url, json=body))
        value = answer.json()["value"]
        assert answer.status_code == 200, f"{path}: {value}"
        return value


@contextlib.asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Start a browser that knows nothing from before; it is gone at the end."""
    driver = shutil.which("chromedriver")
    if driver is None:
        pytest.fail("chromedriver is not on the PATH; install it (Debian: chromium chromium-driver)")
    process, port = await _started(driver)
    try:
        address = f"http://127.0.0.1:{port}"
        with tempfile.TemporaryDirectory(prefix="horos-chromium-") as folder:
            http = httpx2.AsyncClient(base_url=address, verify=False, timeout=60)
            async with http, _session(http, folder) as browser:
                yield browser
    finally:
        process.terminate()
        await process.wait()


@contextlib.asynccontextmanager
async def _session(http: httpx2.AsyncClient, folder: str) -> AsyncIterator[Browser]:
    wanted = {
        "browserName": "chrome",
        "goog:chromeOptions": {"args": [*FLAGS, f"--user-data-dir={folder}"]},
        "goog:loggingPrefs": {"browser": "SEVERE"},
    }
    answer = (await http.post("/session", json={"capabilities": {"alwaysMatch": wanted}})).json()["value"]
    assert "sessionId" in answer, answer
    try:
        yield Browser(http, answer["sessionId"])
    finally:
        await http.delete(f"/session/{answer['sessionId']}")


async def _started(driver: str) -> tuple[asyncio.subprocess.Process, int]:
    """Start the driver on a port of its choice, which another one may have taken: then it ends at once."""
    said = b""
    for _ in range(TRIES):
        process = await asyncio.create_subprocess_exec(
            driver, "--port=0", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        assert process.stdout
        async with asyncio.timeout(SECONDS):
            while line := await process.stdout.readline():
                said += line
                if found := re.search(rb"started successfully on port (\d+)", line):
                    return process, int(found[1])
            await process.wait()
    pytest.fail(f"chromedriver did not start: {said.decode(errors='replace')}")
