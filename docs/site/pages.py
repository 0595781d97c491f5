"""Hook of mkdocs: pages for what is linked outside docs/, with README as the first one, and the reports of the gallery.

Links stand as they are read in the repository. Those that leave docs/, or stand in a page from outside it, are
rewritten for the site, so that `mkdocs build --strict` notices one that leads nowhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from posixpath import relpath
from typing import Any

from mkdocs.structure.files import File, Files, InclusionLevel

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
LINK = re.compile(r"^```.*?^```$|`[^`\n]+`|(?<=\]\()(?P<target>[^)#:\s]+)(?=[)#])", re.DOTALL | re.MULTILINE)
"""code, which is passed over, or the target of a link into the repository"""
LANGUAGES = {".py": "python", ".yaml": "yaml"}
UNSEARCHED = "---\nsearch:\n  exclude: true\n---\n\n"
GALLERY = "gallery.md"
REPORTS = re.compile(r"^<!-- reports -->$", re.MULTILINE)
"""where the gallery's page lists the reports"""


def on_files(files: Files, config: Any) -> Files:
    """Add README, what the pages link to, what these link to, and so on; and the reports."""
    known = [place(ROOT / "README.md"), *(page.src_uri for page in files.documentation_pages())]
    for uri in known:  # grows
        if files.get_file_from_path(uri) is None:
            added = File.generated(config, uri, content=content(source(uri)), inclusion=InclusionLevel.NOT_IN_NAV)
            files.append(added)
        known += [place(path) for path in linked(source(uri)) if place(path) not in known]
    for uri, path in reports(config):
        files.append(File.generated(config, uri, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """The text of a page with links as the site has them."""
    uri = page.file.src_uri
    if uri == GALLERY:
        markdown = REPORTS.sub(lambda _: report_list(config), markdown)
    return LINK.sub(lambda link: address(link["target"], uri) or link[0], markdown)


def address(target: str | None, uri: str) -> str | None:
    """Where the page at `uri` of the site finds a target of its links; None: as it says, or nowhere."""
    path = None if target is None else resolved(target, source(uri))
    if path is None or (path.is_relative_to(DOCS) and source(uri).is_relative_to(DOCS)):
        return None
    return relpath(place(path), str(Path(uri).parent))


def linked(path: Path) -> Iterator[Path]:
    """Pages in Markdown that a page of the repository links to, and files and folders outside docs/."""
    if path.suffix == ".md" or path.is_dir():
        for link in LINK.finditer(content(path)):
            target = link["target"] and resolved(link["target"], path)
            if target and not target.is_relative_to(DOCS):
                yield target


def resolved(target: str, path: Path) -> Path | None:
    """The file or folder of the repository that a link in `path` means; None: there is none."""
    folder = path if path.is_dir() else path.parent
    found = (folder / target).resolve()
    return found if found.exists() and found.is_relative_to(ROOT) else None


def place(path: Path) -> str:
    """The page of the site that shows a file or folder of the repository."""
    if path == ROOT / "README.md":
        return "index.md"
    if path.is_dir() and (path / "README.md").exists():
        path /= "README.md"
    uri = path.relative_to(DOCS if path.is_relative_to(DOCS) else ROOT).as_posix()
    return uri if path.suffix == ".md" else f"{uri}/index.md" if path.is_dir() else f"{uri}.md"


def source(uri: str) -> Path:
    """The file or folder of the repository that a page of the site shows."""
    if uri == "index.md":
        return ROOT / "README.md"
    plain = uri.removesuffix("/index.md").removesuffix(".md")
    return next(path for path in (DOCS / uri, ROOT / uri, ROOT / plain) if path.exists())


def content(path: Path) -> str:
    """The text of a page: Markdown as it is, a folder as a list of links, other files as code."""
    name = path.relative_to(ROOT).as_posix()
    if path.is_dir():
        names = sorted(p.name for p in path.iterdir() if not p.name.startswith((".", "__")))
        return "\n".join([f"# {name}", "", *(f"- [{name}]({name})" for name in names), ""])
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        return text
    return f"{UNSEARCHED}# {name}\n\n```{LANGUAGES.get(path.suffix, 'text')}\n{text}```\n"


def reports(config: Any) -> Iterator[tuple[str, Path]]:
    """Address in the site and file of each page that `docs/site/gallery.py` has written."""
    folder = Path(config.extra["gallery"] or "/nowhere")
    for path in sorted(folder.rglob("*.html")):
        yield f"gallery/{path.relative_to(folder).as_posix()}", path


def report_list(config: Any) -> str:
    """Links to the reports, or a word on how to have them."""
    pages = [f"- [{uri.removeprefix('gallery/')}]({uri})" for uri, _ in reports(config) if uri.count("/") == 1]
    return "\n".join(pages) or "This copy of the site was built without them; `make docs` makes them."
