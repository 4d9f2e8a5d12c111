"""A page in real headless Chromium, as a user opens it from disk, and everything that it tried to do."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@contextmanager
def chromium() -> Iterator["Browser"]:
    playwright = pytest.importorskip("playwright.sync_api", reason="needs Playwright: make install")
    if CHROMIUM is None:
        pytest.skip("needs Chromium: make system-packages")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=_FLAGS)
        yield browser
        browser.close()


@contextmanager
def opened(browser: "Browser", page_file: Path, fragment: str = "", **context: Any) -> Iterator["Page"]:
    """The page once it is ready. Afterwards: nothing on the console, no error, no request but for the file itself."""
    # Without reduced motion the page scrolls smoothly, and what a test clicks moves away between press and release.
    settings = {"locale": "ko-KR", "viewport": {"width": 1280, "height": 900}, "reduced_motion": "reduce"} | context
    session = browser.new_context(**settings)
    page = session.new_page()
    page.set_default_timeout(20_000)
    noise: list[str] = []
    page.on("console", lambda message: noise.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: noise.append(f"error: {error}"))
    page.on("dialog", lambda dialog: noise.append(f"dialog: {dialog.message}"))
    page.on("request", lambda request: noise.append(f"request: {request.url}"))
    address = page_file.resolve().as_uri()
    page.goto(address + fragment)
    if settings.get("java_script_enabled", True):
        page.wait_for_selector("html[data-ready]")
    yield page
    assert [line for line in noise if line.split("#")[0] not in (f"request: {address}", "request: data:,")] == []
    session.close()
