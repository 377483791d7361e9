"""The repository's files as pages of the site.

The notebooks of examples/, the changelog and how to contribute lie outside of docs/. They are
copied into it (git ignores the copies), and links to them, which are written so that they work in
the repository, are turned to the copies. A page `index.md` that lists no pages lists those beside
it.
"""

import fnmatch
import re
import shutil
from pathlib import Path, PurePosixPath
from posixpath import normpath, relpath

ROOT = Path(__file__).resolve().parent.parent.parent
DOCS = ROOT / "docs"
# Where in the repository the pages of a folder of copies come from.
COPIES = {"examples": "examples/*.ipynb", "project": "C*.md"}
LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#|/)([^)\s#]+)")
LISTED = "\n\n```{toctree}\n:hidden:\n:glob:\n\n*\n```\n"


def copied() -> dict[str, str]:
    """Returns each page outside of docs/ and its copy, as paths from the root and from docs/."""
    return {
        path.relative_to(ROOT).as_posix(): f"{folder}/{path.name}"
        for folder, pattern in COPIES.items()
        for path in sorted(ROOT.glob(pattern))
    }


def copy(pages: dict[str, str]) -> None:
    """Brings the copies up to date; those that are current keep the time that Sphinx looks at."""
    for folder in COPIES:
        (DOCS / folder).mkdir(exist_ok=True)
        for path in (DOCS / folder).iterdir():
            if f"{folder}/{path.name}" not in pages.values():
                path.unlink()
    for source, page in pages.items():
        target = DOCS / page
        if not target.exists() or target.read_bytes() != (ROOT / source).read_bytes():
            shutil.copyfile(ROOT / source, target)


def turned(text: str, page: str, pages: dict[str, str]) -> str:
    """Turns a page's links to what is outside of docs/.

    Args:
        text: The page's source, Markdown or a notebook's JSON.
        page: Its path from docs/.
        pages: What `copied` returns.
    """
    origins = {copy: source for source, copy in pages.items()}
    origin = origins.get(page, f"docs/{page}")

    def turn(match: re.Match[str]) -> str:
        target = normpath(PurePosixPath(origin).parent / match[1])
        if target in ("README.md", "docs"):
            on_site = "index.md"
        elif target == "examples":
            on_site = "lecture.md"
        elif target in pages:
            on_site = pages[target]
        elif target.startswith("docs/"):
            on_site = target.removeprefix("docs/")
        else:
            on_site = f"../{target}"
        return relpath(on_site, PurePosixPath(page).parent)

    return LINK.sub(turn, text)


def filled(text: str, pages: list[str]) -> str:
    """Leaves out what no page matches in toctrees.

    A wrong entry shows all the same: by the page that is in no toctree then, of which Sphinx warns.
    """

    def entries(match: re.Match[str]) -> str:
        lines = match[2].splitlines(keepends=True)
        return match[1] + "".join(line for line in lines if fnmatch.filter(pages, line.strip()))

    return re.sub(r"(```{toctree}\n(?::.*\n)*\n)([^`]*)", entries, text)


def read(app, docname, source) -> None:
    """Handles `source-read`."""
    page = Path(app.env.doc2path(docname)).relative_to(DOCS).as_posix()
    if page.endswith((".md", ".ipynb")):
        source[0] = turned(source[0], page, copied())
    if page == "index.md":
        source[0] = filled(source[0], list(app.env.found_docs))
    if page.endswith("/index.md") and "{toctree}" not in source[0]:
        source[0] += LISTED


def setup(app) -> dict:
    """Copies the pages and connects to Sphinx."""
    app.connect("builder-inited", lambda app: copy(copied()), priority=100)
    app.connect("source-read", read)
    return {"version": "1", "parallel_read_safe": True}
