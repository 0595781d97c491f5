"""A headless Chromium that looks at pages on the disk; tests that need it are skipped where there is none."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage", "--hide-scrollbars",
    "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
DRAWN = "return document.documentElement.dataset.drawn === 'true'"
FOLDS = "[...document.querySelectorAll('section > details')]"
ALL_DRAWN = f"return {FOLDS}.every((box) => box.open && box.dataset.drawn === 'true')"


@contextmanager
def open_browser() -> Iterator[Browser]:
    """A browser of its own, without a profile; skips the test where Chromium or its driver is missing."""
    selenium = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    driver_path = shutil.which("chromedriver")
    if program is None or driver_path is None:
        pytest.skip("no Chromium and chromedriver on the path to open the report in")
    options = selenium.ChromeOptions()
    options.binary_location = program
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    with tempfile.TemporaryDirectory(prefix="nextbar-chromium-") as profile:
        for flag in (*FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        driver = selenium.Chrome(options, selenium.ChromeService(driver_path))
        try:
            driver.get("about:blank")  # else what its own first page loads late would count as asked for by ours
            yield Browser(driver)
        finally:
            driver.quit()


class Browser:
    """What the tests ask of a page."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def open(self, page: Path, width: int = 1280, scheme: str = "light", unfold: bool = True) -> None:
        """Open a page from the disk in a window that wide, unfold its sections, and wait until all charts are drawn."""
        self.resize(width)
        self.scheme(scheme)
        for kind in ("browser", "performance"):
            self.driver.get_log(kind)  # of the page before
        self.driver.get(page.resolve().as_uri())
        self.wait(DRAWN)
        if unfold:
            self.ask(f"for (const box of {FOLDS}) box.open = true")
            self.wait(ALL_DRAWN)

    def resize(self, width: int, height: int = 1000) -> None:
        """Give the page exactly that much room."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def scheme(self, scheme: str) -> None:
        """Prefer ``light`` or ``dark``."""
        media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)

    def ask(self, script: str, *arguments: Any) -> Any:
        """Run JavaScript in the page; its ``return`` comes back."""
        return self.driver.execute_script(script, *arguments)

    def wait(self, script: str, seconds: float = 30) -> None:
        """Wait until a script returns true."""
        from selenium.webdriver.support.ui import WebDriverWait

        WebDriverWait(self.driver, seconds, poll_frequency=0.05).until(lambda driver: driver.execute_script(script))

    def complaints(self) -> list[str]:
        """What has been written to the console since the page was opened."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def requests(self) -> list[str]:
        """Every address asked for since the page was opened, the page itself too."""
        import json

        sent = (json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance"))
        return [one["params"]["request"]["url"] for one in sent if one["method"] == "Network.requestWillBeSent"]
