"""Our files in Netron, the viewer for what ``netgen draw`` is not for: its page loads them and shows every layer."""

from __future__ import annotations

import re
import shutil
import subprocess
import threading
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

import netgen

netron = pytest.importorskip("netron")

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
LOCAL = "127.0.0.1"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made: Path = tmp_path_factory.mktemp("netron")
    net = netgen.build("peleenet")
    net.save(made / "pelee.prototxt")
    netgen.save_weights(netgen.fill_weights(net, 1), made / "pelee.caffemodel", net)
    return made


@contextmanager
def served(file: Path) -> Iterator[str]:
    address = netron.serve(str(file), None, (LOCAL, 0))
    try:
        yield f"http://{LOCAL}:{address[1]}"
    finally:
        netron.stop(address)


@contextmanager
def with_consent(url: str) -> Iterator[str]:
    """A page that leads on to Netron's, past the question that it asks everybody first (cookies know no ports)."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(302)
            self.send_header("Set-Cookie", "consent=1")
            self.send_header("Location", url)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer((LOCAL, 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://{LOCAL}:{server.server_address[1]}/"
        finally:
            server.shutdown()
            thread.join()


def got(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=30) as answer:
        data: bytes = answer.read()
        return data


def page_after_its_scripts(url: str, profile: Path) -> str:
    assert CHROMIUM is not None
    options = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        f"--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE {LOCAL}",
        "--virtual-time-budget=60000",
        f"--user-data-dir={profile}",
    ]
    done = subprocess.run([CHROMIUM, *options, "--dump-dom", url], capture_output=True, timeout=240, check=True)
    return done.stdout.decode("utf-8")


@pytest.mark.parametrize("name", ["pelee.prototxt", "pelee.caffemodel"])
def test_netron_serves_the_page_and_the_file(folder: Path, name: str) -> None:
    with served(folder / name) as url:
        assert f'<meta name="file" content="/data/{name}">' in got(url).decode("utf-8")
        assert got(f"{url}/data/{name}") == (folder / name).read_bytes()


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
@pytest.mark.parametrize("name", ["pelee.prototxt", "pelee.caffemodel"])
def test_netron_shows_every_layer(folder: Path, name: str, tmp_path: Path) -> None:
    with served(folder / name) as url, with_consent(url) as entry:
        date = re.search(r'<meta name="date" content="(\d{4}-\d\d-\d\d)', got(url).decode("utf-8"))
        if date and (datetime.now(UTC) - datetime.fromisoformat(f"{date[1]}T00:00+00:00")).days > 175:
            pytest.skip("this netron is old: its page shows nothing but the advice to update it")
        page = page_after_its_scripts(entry, tmp_path)
    labels = Counter(re.findall(r"<text>([^<]+)</text>", page))
    types = Counter(layer.type for layer in netgen.build("peleenet").layers if layer.type != "Input")
    assert sum(types.values()) == 481
    assert {name: labels[name] for name in types} == types
