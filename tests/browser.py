"""A headless Chromium for the tests of pages, driven by selenium; what skips where either is missing."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest


@contextmanager
def chromium() -> Iterator[Any]:
    """The browser; a skip where there is none, unless NETGEN_BROWSER says that there is."""
    named = os.environ.get("NETGEN_BROWSER")
    browser, driver = named or shutil.which("chromium"), shutil.which("chromedriver")
    if not named and not (browser and driver):
        pytest.skip("no chromium and chromedriver here (Debian: apt-get install chromium chromium-driver)")
    if not named:
        pytest.importorskip("selenium")
    assert driver, f"NETGEN_BROWSER is {named}, and there is no chromedriver"
    assert browser
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = browser or ""
    # Without a sandbox: it does not start for root, nor in most containers. What it opens is ours.
    for word in ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1440,1000", "--hide-scrollbars"):
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    made = webdriver.Chrome(options=options, service=Service(driver))
    try:
        yield made
    finally:
        made.quit()


class Tab:
    """One page in the browser."""

    def __init__(self, browser: Any, page: Path) -> None:
        self.browser = browser
        self.page = page

    def open(self) -> Tab:
        """Load the page from disk, in the light theme."""
        self.theme("light")
        self.browser.get_log("performance")
        self.browser.get_log("browser")
        self.browser.get(self.page.as_uri())
        return self

    def theme(self, name: str) -> None:
        """What the reader's system asks for."""
        features = [{"name": "prefers-color-scheme", "value": name}]
        self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def js(self, code: str, *arguments: Any) -> Any:
        """What an expression of the page is; ``arguments`` are its ``a[0]`` and so on."""
        return self.browser.execute_script(f"const a = arguments; return ({code});", *arguments)

    def all(self, selector: str) -> list[Any]:
        """The elements that a CSS selector finds."""
        return list(self.browser.find_elements("css selector", selector))

    def one(self, selector: str) -> Any:
        """The only element that a CSS selector finds."""
        (found,) = self.all(selector)
        return found

    def requests(self) -> list[str]:
        """The addresses that were asked for since the page was opened."""
        events = [json.loads(entry["message"])["message"] for entry in self.browser.get_log("performance")]
        return [each["params"]["request"]["url"] for each in events if each["method"] == "Network.requestWillBeSent"]

    def complaints(self) -> list[str]:
        """What the browser has to say of the page."""
        return [entry["message"] for entry in self.browser.get_log("browser")]

    def picture(self, name: str) -> None:
        """A screenshot, kept where NETGEN_PICTURES says, to be looked at."""
        folder = os.environ.get("NETGEN_PICTURES")
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            self.browser.save_screenshot(str(Path(folder) / f"{name}.png"))
