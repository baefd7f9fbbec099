"""What MkDocs is told beside mkdocs.yml, so that the same pages work in the repository and in the site: README.md,
CHANGELOG.md and CONTRIBUTING.md are pages of it, README.md its first, and what else pages link to outside of docs/
(records and plots of benchmarks/results) is in it under the path that it has in the repository.
"""

import logging
import re
from pathlib import Path
from posixpath import dirname, join, normpath, relpath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
LINK = re.compile(r"(?<=\]\()(?![a-z]+:|[#/])([^)#\s]+)")
PAGES = {"README.md": "index.md", "CHANGELOG.md": "changelog.md", "CONTRIBUTING.md": "contributing.md"}
# What a browser fetches by itself when it shows a page
FETCHED = re.compile(
    r"<(?:script|img|iframe|source)\b[^>]*\bsrc=\"?https?:[^\s>]*|<link\b[^>]*stylesheet[^>]*https?:[^\s>]*"
)
log = logging.getLogger("mkdocs.hooks.site")


def in_repository(page: str, link: str) -> str:
    """Where a link leads to, from the repository's root; `page` is the path of its page, from there, too."""
    return normpath(join(dirname(page), link))


def in_site(place: str) -> str:
    """Where the site has a file of the repository, from the site's root."""
    return PAGES.get(place, place.removeprefix("docs/"))


def adapted(text: str, page: str) -> str:
    """A page with its links as they are in the site."""
    start = dirname(in_site(page)) or "."
    return LINK.sub(lambda link: relpath(in_site(in_repository(page, link[1])), start), text)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    pages = {name: (ROOT / name).read_text() for name in PAGES}
    for name, text in pages.items():
        files.append(File.generated(config, PAGES[name], content=adapted(text, name)))
    own = [each for each in files.documentation_pages() if not each.generated_by]
    pages |= {f"docs/{each.src_uri}": each.content_string for each in own}
    linked = {in_repository(name, link) for name, text in pages.items() for link in LINK.findall(text)}
    for name in sorted(linked - {*PAGES}):
        if not name.startswith("docs/") and (ROOT / name).is_file():  # a link to nothing is one of the build's warnings
            files.append(File.generated(config, name, abs_src_path=str(ROOT / name)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    return markdown if page.file.generated_by else adapted(markdown, f"docs/{page.file.src_uri}")


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    for found in FETCHED.findall(output):
        log.warning("%s loads something that is not in the site: %s", page.file.src_uri, found)
    return output
