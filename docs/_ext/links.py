"""A look at the built pages: each link within the site leads to a file, and to a place in it."""

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from sphinx.util import logging

log = logging.getLogger(__name__)


class Page(HTMLParser):
    """What a page links to, and the places in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.places: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Reads a tag."""
        for name, value in attrs:
            if value and name in ("href", "src") and tag != "base":
                self.links.add(value)
            elif value and name in ("id", "name"):
                self.places.add(value)


def broken(site: Path) -> list[str]:
    """Returns a line for each link that leads nowhere.

    Args:
        site: The folder of the built site.
    """
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}
    lines = []
    for path, page in pages.items():
        for link in sorted(page.links):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if target.is_dir():
                target /= "index.html"
            place = unquote(parts.fragment)
            if not target.exists():
                lines.append(f"{path.relative_to(site)}: {link} is no file of the site")
            elif place and target in pages and place not in pages[target].places:
                lines.append(f"{path.relative_to(site)}: {link} is no place of that page")
    return lines


def check(app, error) -> None:
    """Handles `build-finished`."""
    if error is None and app.builder.name == "html":
        for line in broken(Path(app.outdir)):
            log.warning(line)


def setup(app) -> dict:
    """Connects to Sphinx."""
    app.connect("build-finished", check)
    return {"version": "1", "parallel_read_safe": True}
