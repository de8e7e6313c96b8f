"""The committed build of the web view is that of the committed sources; checked without Node."""

import hashlib
import re
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
SOURCES = CHECKOUT / "clients" / "web"
BUILD = CHECKOUT / "memory_service" / "web" / "static"
BUILT_FROM = ("index.html", "package-lock.json", "public", "src", "tsconfig.json", "vite.config.ts")


def test_the_build_was_made_of_these_sources() -> None:
    places = [SOURCES / name for name in BUILT_FROM]
    files = [file for place in places for file in (place.rglob("*") if place.is_dir() else [place]) if file.is_file()]
    digest = hashlib.sha256()
    for name in sorted(file.relative_to(SOURCES).as_posix() for file in files):
        digest.update(name.encode() + b"\0" + (SOURCES / name).read_bytes() + b"\0")
    stated = (BUILD / "SOURCES.sha256").read_text(encoding="utf-8").strip()
    assert stated == digest.hexdigest(), "run `npm run build` in clients/web and commit memory_service/web/static"


def test_every_file_that_the_page_names_is_there() -> None:
    page = (BUILD / "index.html").read_text(encoding="utf-8")
    named = re.findall(r'(?:src|href)="/admin/([^"]+)"', page)
    assert named
    assert [name for name in named if not (BUILD / name).is_file()] == []
    assert "<style" not in page
    assert re.findall(r"<script(?![^>]*\bsrc=)", page) == []


def test_the_licences_of_what_is_built_in_lie_beside_it() -> None:
    licences = (BUILD / "THIRD_PARTY_LICENSES.txt").read_text(encoding="utf-8")
    for name in ("preact", "sigma", "graphology", "swr", "wouter-preact"):
        assert f"Name: {name}\n" in licences
