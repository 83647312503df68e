"""What MkDocs does not do by itself: one navigation for whatever pages there are, and links that leave docs/.

A page links to files of the repository as its readers need it: `../examples/consumer.py`. The
site has a page for each such file, and the link leads there: no link depends on where the repository is kept.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent.parent
FIRST = (
    *(
        "index.md",
        "domain.md",
        "api.md",
        "console.md",
        "across.md",
        "rights.md",
        "reacting.md",
        "rights.md",
        "running.md",
        "limits.md",
        "deploying.md",
        "backups.md",
        "settings.md",
    ),
    "contract.md",
)
"""The pages that the navigation begins with; the others follow by name, then the folders."""
FROM_ROOT = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "CHANGELOG.md": "changelog.md",
}
LANGUAGES = {
    ".py": "python",
    ".js": "javascript",
    ".json": "json",
    ".yml": "yaml",
    ".sql": "sql",
    ".tsx": "tsx",
}
LINK = re.compile(r"\]\(([^)\s#]+)(#[^)\s]*)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds a page for each file outside docs/ that a page links to, and makes the navigation."""
    for path, page in FROM_ROOT.items():
        files.append(File.generated(config, page, content=(ROOT / path).read_text("utf-8")))
    config.nav = _navigation([file.src_uri for file in files.documentation_pages()])
    waiting = list(files.documentation_pages())
    while waiting:
        page = waiting.pop()
        for target in _outside(page.src_uri, page.content_string):
            if files.get_file_from_path(_on_site(target)) is None:
                file = _page_of(target, config)
                files.append(file)
                if target.endswith(".md"):
                    waiting.append(file)
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Has links to files of the repository lead to their pages; a folder has none and is named only."""
    here = page.file.src_uri

    def replaced(match: re.Match[str]) -> str:
        target = _repository_path(here, match[1])
        if target is None:
            return match[0]
        there = posixpath.relpath(_on_site(target), posixpath.dirname(here) or ".")
        return f"]({there}{match[2] or ''})"

    return LINK.sub(replaced, markdown)


def _navigation(pages: list[str]) -> list[object]:
    top = sorted((page for page in pages if "/" not in page), key=_rank)
    folders = sorted({page.partition("/")[0] for page in pages if "/" in page})
    inside = {folder: sorted(page for page in pages if page.startswith(f"{folder}/")) for folder in folders}
    for names in inside.values():
        names.sort(key=lambda page: not page.endswith(("/README.md", "/index.md")))  # the index first
    return [*top, *({folder.capitalize(): names} for folder, names in inside.items())]


def _rank(page: str) -> tuple[int, str]:
    return (FIRST.index(page) if page in FIRST else len(FIRST), page)


def _origin(page: str) -> str:
    """The path in the repository of a page of the site."""
    for path, on_site in FROM_ROOT.items():
        if page == on_site:
            return path
    return page.removeprefix("repository/") if page.startswith("repository/") else f"docs/{page}"


def _on_site(path: str) -> str:
    """The page of the site for a path in the repository."""
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    if path in FROM_ROOT:
        return FROM_ROOT[path]
    return f"repository/{path}" if path.endswith((".md", ".svg")) else f"repository/{path}.md"


def _repository_path(page: str, target: str) -> str | None:
    """The file of the repository that a link on a page leads to, if it leads to one."""
    path = posixpath.normpath(posixpath.join(posixpath.dirname(_origin(page)), target))
    if "://" in target or path.startswith("..") or not (ROOT / path).exists():
        return None
    return f"{path}/README.md" if (ROOT / path).is_dir() else path


def _outside(page: str, markdown: str) -> set[str]:
    paths = {_repository_path(page, match[1]) for match in LINK.finditer(markdown)}
    return {path for path in paths if path is not None and not path.startswith("docs/")}


def _page_of(path: str, config: MkDocsConfig) -> File:
    text = (ROOT / path).read_text("utf-8")
    if not path.endswith((".md", ".svg")):
        text = f"# {path}\n\n~~~~{LANGUAGES.get(Path(path).suffix, 'text')}\n{text}\n~~~~\n"
    return File.generated(config, _on_site(path), content=text, inclusion=InclusionLevel.NOT_IN_NAV)
