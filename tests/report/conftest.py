"""A browser for pages: headless Chromium, where there is one, and what it sees."""

from __future__ import annotations

import base64
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_core_python.base import AXE_SCRIPT
from selenium import webdriver

PROGRAMS = ("chromium", "chromedriver")
"""As Debian names them."""
DESKTOP, PHONE = (1280, 900), (390, 844)
"""Width and height of windows, in pixels."""


class Browser:
    """A page in headless Chromium: how it is shown, and what is wrong with it.

    Args:
        driver: Selenium's.
    """

    def __init__(self, driver: webdriver.Chrome):
        self.driver = driver

    def open(self, path: Path, *, size: tuple[int, int] = DESKTOP, dark: bool = False) -> None:
        """Load a page from the disk, in a window of a size, for readers who prefer dark or not."""
        self.resize(*size)
        self.emulate(dark=dark)
        self.errors()  # those of the page before
        self.driver.get(path.resolve().as_uri())

    def resize(self, width: int, height: int) -> None:
        """Show the page in a window of this size, in pixels."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self._command("Emulation.setDeviceMetricsOverride", metrics)

    def emulate(self, *, dark: bool = False, is_print: bool = False) -> None:
        """Show the page dark or light, on a screen or on paper."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        media = {"media": "print" if is_print else "screen", "features": [scheme]}
        self._command("Emulation.setEmulatedMedia", media)

    def run(self, script: str, *arguments: Any) -> Any:
        """What a body of JavaScript returns."""
        return self.driver.execute_script(script, *arguments)

    def errors(self) -> list[str]:
        """What the console complains of, since it was last asked."""
        return [f"{entry['level']}: {entry['message']}" for entry in self.driver.get_log("browser")]

    def violations(self) -> list[str]:
        """What axe-core holds against the page: a rule and the elements that break it, each."""
        self.run(AXE_SCRIPT)
        found = self.driver.execute_async_script(
            "const done = arguments[0]; axe.run().then(r => done(r.violations));"
        )
        return [f"{v['id']}: {[node['target'] for node in v['nodes']]}" for v in found]

    def picture(self, path: Path) -> Path:
        """Save the whole page as a PNG."""
        taken = self._command("Page.captureScreenshot", {"captureBeyondViewport": True})
        path.write_bytes(base64.b64decode(taken["data"]))
        return path

    def overflow(self) -> int:
        """Pixels by which the page is wider than the window."""
        return self.run(
            "const page = document.documentElement; return page.scrollWidth - page.clientWidth;"
        )

    def _command(self, name: str, arguments: dict[str, Any]) -> Any:
        return self.driver.execute_cdp_cmd(name, arguments)


@pytest.fixture(scope="session")
def driver() -> Iterator[webdriver.Chrome]:
    """Selenium's driver, one for all pages."""
    found = [shutil.which(program) for program in PROGRAMS]
    missing = [name for name, path in zip(PROGRAMS, found, strict=True) if path is None]
    if missing:
        pytest.skip(f"no {' and no '.join(missing)} on PATH to open pages in")
    options = webdriver.ChromeOptions()
    options.binary_location, service = found[0], webdriver.ChromeService(found[1])
    arguments = ["--headless=new", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"]
    if os.geteuid() == 0:
        arguments.append("--no-sandbox")
    for argument in arguments:
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=service)
    yield driver
    driver.quit()


@pytest.fixture
def browser(driver: webdriver.Chrome) -> Browser:
    """The browser, of the size of a desk, light, without errors of the pages of other tests."""
    browser = Browser(driver)
    browser.driver.get("about:blank")
    browser.resize(*DESKTOP)
    browser.emulate()
    browser.errors()
    return browser
