"""Pages in a real Chromium without a window: one browser for all tests, a fresh profile and no network for each."""

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

HOW = "`make test-browser` installs what it needs"

# Chromium may ask nobody about anything: what a page fetches is then the page's own doing.
_QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
_SERIOUS = {"serious", "critical"}

Page = Any  # playwright.sync_api.Page; the package may not be there
Visit = Callable[..., Page]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """Debian's Chromium, or whichever is on the path; skips where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason=f"no Playwright for Python: {HOW}")
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        pytest.skip(f"no chromium on the path: {HOW}")
    with playwright.sync_playwright() as runner:
        browser = runner.chromium.launch(executable_path=found, headless=True, args=_QUIET)
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium: Any) -> Iterator[Visit]:
    """Opens a page of this disk; at the end of the test no page may have complained or asked for anything else.

    The browser is offline. Console errors and warnings, uncaught exceptions, breaches of the page's own content
    security policy (they are console errors) and requests for anything but the page itself fail the test.
    """
    contexts, complaints = [], []

    def go(path: Path, fragment: str = "", *, width: int = 1280, height: int = 900, **settings: Any) -> Page:
        context = chromium.new_context(viewport={"width": width, "height": height}, offline=True, **settings)
        contexts.append(context)
        context.set_default_timeout(30_000)
        context.on("request", lambda request: _own(request.url) or complaints.append(f"asks for {request.url}"))
        page = context.new_page()
        page.on("console", lambda said: said.type in {"error", "warning"} and complaints.append(said.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: (complaints.append(f"dialog {dialog.message}"), dialog.dismiss()))
        page.goto(path.resolve().as_uri() + fragment)
        return page

    def _own(url: str) -> bool:
        return url.startswith(("file:", "blob:", "data:"))

    yield go
    for context in contexts:
        context.close()
    assert not complaints, "\n".join(complaints)


@pytest.fixture(scope="session")
def assert_accessible() -> Callable[[Page], None]:
    """Checks a page as it stands with axe-core: WCAG 2.2 AA and axe's own best practices, nothing serious."""
    base = pytest.importorskip("axe_playwright_python.base", reason=f"no axe-core: {HOW}")
    source = Path(base.__file__).with_name("axe.min.js").read_text(encoding="utf-8")

    def check(page: Page) -> None:
        page.evaluate(source)
        found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
        faults = [
            f"{fault['impact']}: {fault['id']}: {fault['help']}\n    "
            + "\n    ".join(_flat(f"{node['html']} {node['failureSummary']}") for node in fault["nodes"][:5])
            for fault in found
            if fault["impact"] in _SERIOUS
        ]
        assert not faults, "\n".join(faults)

    return check


def _flat(words: str) -> str:
    return re.sub(r"\s+", " ", words)[:400]
