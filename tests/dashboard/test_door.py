"""dashboard.door: who may come in, and with what the page leaves the house."""

import re

import pytest

from dashboard.door import FILES, FOLDER, LIVE
from tests.dashboard.rig import Rig, serving

SECRETS = ("/api/state", "/api/events", "/metrics")


def test_the_page_needs_no_token_and_holds_none() -> None:
    """Its own files are open to who has the address; none of them holds a token."""
    with serving() as rig:
        for path in FILES:
            status, headers, body = rig.get(path)
            assert status == 200 and len(body) == int(headers["content-length"]), path
            assert rig.tokens.read.encode() not in body and rig.tokens.act.encode() not in body


def test_what_the_bot_sees_needs_the_token() -> None:
    """Without the token, with a wrong one and with one in the address there is nothing to read; with either token there is."""
    with serving() as rig:
        for path in SECRETS:
            assert rig.get(path)[0] == 401
            assert rig.get(path, token="x" * 24)[0] == 401
            assert rig.get(f"{path}?token={rig.tokens.read}")[0] == 401
            assert rig.get(path, Authorization=f"Basic {rig.tokens.read}")[0] == 401
            assert rig.get(path, token=rig.tokens.read)[0] == 200
            assert rig.get(path, token=rig.tokens.act)[0] == 200


def test_another_host_is_a_stranger() -> None:
    """A name that was pointed at 127.0.0.1 (DNS rebinding) is refused, on every path, also with the token."""
    with serving() as rig:
        for host in ("evil.example", f"evil.example:{rig.server.port}", "127.0.0.1", f"127.0.0.1:{rig.server.port + 1}", ""):
            for path in ("/", "/healthz", LIVE, *SECRETS):
                assert rig.get(path, token=rig.tokens.read, Host=host)[0] == 421, (host, path)
        assert rig.get("/", Host=f"LOCALHOST:{rig.server.port}")[0] == 200
        assert b" 421 " in rig.send_request(f"GET / HTTP/1.1\r\nHost: {rig.here}\r\nHost: {rig.here}\r\n\r\n").split(b"\r\n")[0]
        assert b" 421 " in rig.send_request("GET / HTTP/1.1\r\n\r\n").split(b"\r\n")[0]


def test_another_page_is_a_stranger() -> None:
    """A page of another origin gets nothing, also with the token, also as a WebSocket."""
    with serving() as rig:
        for origin in ("http://evil.example", "null", f"https://{rig.here}", f"http://127.0.0.1:{rig.server.port + 1}"):
            for path in ("/", LIVE, *SECRETS):
                assert rig.get(path, token=rig.tokens.read, Origin=origin, Upgrade="websocket", Connection="Upgrade")[0] == 403, (origin, path)
        assert rig.get("/api/state", token=rig.tokens.read, Origin=f"http://{rig.here}")[0] == 200


@pytest.mark.parametrize("path", ["/../run.py", "/page/../../config.yaml", "/%2e%2e/run.py", "//etc/passwd", "/page.css/..", "/nothing", "*"])
def test_no_path_reaches_the_disk(path: str) -> None:
    """A path is looked up in a table; what is not in it is not there."""
    with serving() as rig:
        assert rig.get(path)[0] == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "HEAD", "OPTIONS"])
def test_only_get(method: str) -> None:
    """Nothing is changed by a request; other methods are refused."""
    with serving() as rig:
        assert b" 405 " in rig.send_request(f"{method} / HTTP/1.1\r\nHost: {rig.here}\r\n\r\n").split(b"\r\n")[0]


def test_headers() -> None:
    """Every answer forbids foreign code, frames, guesses, copies and referrers."""
    with serving() as rig:
        for path in ("/", "/page.js", "/healthz", "/nothing", "/api/state"):
            _, headers, _ = rig.get(path)
            policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
            assert policy["default-src"] == "'none'" and policy["script-src"] == policy["style-src"] == "'self'"
            assert policy["frame-ancestors"] == "'none'" and "unsafe" not in headers["content-security-policy"]
            assert headers["x-content-type-options"] == "nosniff" and headers["cache-control"] == "no-store"
            assert headers["referrer-policy"] == "no-referrer" and "access-control-allow-origin" not in headers


def test_the_files_keep_the_policy() -> None:
    """No inline script or style, no address but the server's own, and every file that is named is served."""
    for name, _ in FILES.values():
        text = (FOLDER / name).read_text(encoding="utf-8")
        assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)|//cdn|@import|url\(", text), name
        assert len(text.splitlines()) <= 400, name
        for found in re.findall(r'(?:src|href|from)\s*=?\s*"(/[^"]*)"', text):
            assert found in FILES, f"{name} asks for {found}"
    page = (FOLDER / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=|javascript:", page)
    assert "innerHTML" not in "".join((FOLDER / name).read_text(encoding="utf-8") for name, _ in FILES.values()), "text of others becomes markup"
    assert {path.name for path in FOLDER.iterdir()} == {name for name, _ in FILES.values()}


def test_tokens_are_new_each_time() -> None:
    """Two starts share no token, and the two of one start differ."""
    one, other = Rig().tokens, Rig().tokens
    assert len({one.read, one.act, other.read, other.act}) == 4 and min(map(len, (one.read, one.act))) >= 24
    assert one.may_read(one.act) and not one.may_act(one.read) and not one.may_read("") and not one.may_read(None)
