"""The site of the docs: built without a warning, complete, and at home on a disk without a network."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from browser import open_browser
from doc_pages import ROOT

import nextbar

for package in ("mkdocs", "material", "mkdocstrings_handlers.python"):
    pytest.importorskip(package, reason=f"no {package}; pip install -e '.[docs]'")

DOCS = ROOT / "docs"
API = sorted((DOCS / "api").glob("*.md"))
READ_IN_BOTH = [ROOT / "README.md", *sorted(set(DOCS.rglob("*.md")) - set(API))]
"""pages but those of the reference, whose entries are in the site alone"""
BLOCKS = ("h1", "h2", "h3", "li", "ul", "ol", "table", "tr", "pre", "blockquote", "em", "strong")
"""elements that GitHub and the site must find alike in a page"""
FETCHED = re.compile(r"<(?:script|img|iframe|source)\b[^>]*?\bsrc=\"?([^\"\s>]+)|<link\b[^>]*?\bhref=\"?([^\"\s>]+)")


def hook(name: str) -> Any:
    """A module of docs/site."""
    spec = importlib.util.spec_from_file_location(f"docs_site_{name}", DOCS / "site" / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


pages = hook("pages")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, with a gallery of two pages; mkdocs.yml makes an error of every warning."""
    folder = tmp_path_factory.mktemp("site")
    gallery = folder / "gallery"
    (gallery / "runs").mkdir(parents=True)
    (gallery / "study.html").write_text('<a href="runs/report.html">The winner</a>')
    (gallery / "runs" / "report.html").write_text("<p>A run</p>")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--site-dir", str(folder / "html")],
        cwd=ROOT,
        env=os.environ | {"NEXTBAR_GALLERY": str(gallery)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return folder / "html"


def test_every_public_name_is_in_the_reference(site: Path) -> None:
    listed = [name for page in API for name in re.findall(r"^::: nextbar\.(\w+)$", page.read_text(), re.MULTILINE)]
    assert sorted(listed) == sorted(set(nextbar.__all__) - {"__version__"})
    shown = "".join((site / "api" / f"{page.stem}.html").read_text() for page in API)
    for name in re.findall(r"^::: (nextbar\..+)$", "".join(page.read_text() for page in API), re.MULTILINE):
        assert f'id="{name}"' in shown
    assert not re.search(r":(?:class|data|func|meth|mod):", shown)


def test_no_page_fetches_anything_from_elsewhere(site: Path) -> None:
    for page in site.rglob("*.html"):
        text = page.read_text()
        fetched = ["".join(found) for found in FETCHED.findall(text)]
        assert fetched or "gallery" in page.parts
        assert [address for address in fetched if urlsplit(address).netloc] == [], page
        assert 'class="mermaid"' not in text, "the theme fetches what draws these"
    for sheet in site.rglob("*.css"):
        assert not re.search(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//", sheet.read_text()), sheet


def test_every_link_leads_to_a_file(site: Path) -> None:
    checked = 0
    for page in site.rglob("*.html"):
        for link in re.findall(r"<a\b[^>]*?\bhref=\"([^\"]+)\"", page.read_text()):
            address = urlsplit(link)
            if not address.scheme and address.path and page.name != "404.html":
                assert (page.parent / unquote(address.path)).is_file(), f"{page}: {link}"
                checked += 1
    assert checked > 1_000


def test_what_lies_outside_docs_is_in_the_site(site: Path) -> None:
    assert 'href="../SECURITY.html"' in (site / "how-to" / "notebook.html").read_text()
    assert 'href="configs/recipes/index.html"' in (site / "skill.html").read_text()
    assert "experiment_name" in (site / "configs" / "recipes" / "index_1d.yaml.html").read_text()
    assert 'href="how-to/data.html"' in (site / "index.html").read_text()


def test_the_gallery_lists_its_pages(site: Path) -> None:
    text = (site / "gallery.html").read_text()
    assert 'href="gallery/study.html"' in text and "gallery/runs" not in text
    assert (site / "gallery" / "runs" / "report.html").is_file()


def test_without_reports_the_gallery_says_how_to_have_them() -> None:
    assert "make docs" in pages.report_list(SimpleNamespace(extra={"gallery": ""}))
    assert pages.REPORTS.search((DOCS / pages.GALLERY).read_text())


@pytest.mark.parametrize("path", READ_IN_BOTH, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_page_reads_alike_in_the_repository_and_in_the_site(path: Path, site: Path) -> None:
    from markdown_it import MarkdownIt

    here = MarkdownIt("commonmark").enable("table").render(pages.REPORTS.sub("- one", path.read_text()))
    there = (site / pages.place(path)).with_suffix(".html").read_text()
    article = re.search(r"<article.*?</article>", there, re.DOTALL)
    assert article
    assert counted(article[0]) == counted(here)


def counted(html: str) -> Counter[str]:
    """How often a page has each of the elements."""
    return Counter(name for name in re.findall(r"<(\w+)[\s>]", html) if name in BLOCKS)


@pytest.mark.parametrize(
    ("link", "uri", "found"),
    [
        ("../SECURITY.md", "reliability.md", "SECURITY.md"),
        ("../../SECURITY.md", "how-to/notebook.md", "../SECURITY.md"),
        ("docs/metrics.md", "index.md", "metrics.md"),
        ("configs/recipes", "index.md", "configs/recipes/index.md"),
        ("../bench", "metrics.md", "bench/README.md"),
        ("../docs/performance.md", "bench/README.md", "../performance.md"),
        ("LICENSE", "index.md", "LICENSE.md"),
        ("metrics.md", "skill.md", None),  # as it stands
        ("no.md", "index.md", None),  # mkdocs says so
        ("../../elsewhere", "skill.md", None),
    ],
)
def test_a_link_is_rewritten_for_the_site(link: str, uri: str, found: str | None) -> None:
    assert pages.address(link, uri) == found


def test_code_is_left_alone() -> None:
    text = "```text\n[a](../SECURITY.md)\n```\n`[b](../SECURITY.md)` [c](../SECURITY.md#what-is-not)\n"
    found = [match["target"] for match in pages.LINK.finditer(text) if match["target"]]
    assert found == ["../SECURITY.md"]


def test_a_role_becomes_a_link_where_there_is_one() -> None:
    docstrings = hook("docstrings")
    found = docstrings.ROLE.sub(docstrings.LINK, "see :func:`nextbar.evaluate`, ``code``")
    assert found.startswith(
        'see <autoref identifier="nextbar.evaluate" optional><code>nextbar.evaluate</code></autoref>,'
    )


@pytest.mark.slow
def test_the_site_and_its_search_work_from_the_disk(site: Path) -> None:
    with open_browser() as browser:
        browser.requests()
        browser.driver.get((site / "how-to" / "train.html").as_uri())
        browser.ask("document.querySelector('[data-md-toggle=search]').click()")
        browser.driver.find_element("css selector", "[data-md-component=search-query]").send_keys("conformal")
        browser.wait("return document.querySelectorAll('.md-search-result__item a').length > 3")
        browser.driver.find_element("css selector", ".md-search-result__item a").click()
        browser.wait("return !location.pathname.endsWith('train.html') && document.readyState === 'complete'")
        assert browser.complaints() == []
        assert {urlsplit(address).scheme for address in browser.requests()} <= {"file", "data", "chrome", "blob"}


@pytest.mark.slow
def test_the_gallery_is_made(tmp_path: Path) -> None:
    made = subprocess.run(
        [sys.executable, DOCS / "site" / "gallery.py", "gallery"], cwd=tmp_path, capture_output=True, text=True
    )
    assert made.returncode == 0, made.stderr[-4000:]
    assert made.stdout.split() == [f"gallery/{name}.html" for name in ("run", "study", "backtest")]
    winner = re.search(r'href="(runs/study/[^"]+)"', (tmp_path / "gallery" / "study.html").read_text())
    assert winner and (tmp_path / "gallery" / winner[1]).is_file()
