"""Who may come in, and what a GET is answered: the names and origins of this machine, the two tokens, the page's own files.

Who calls it: dashboard.server, on its thread. Never: a path from a request that reaches the disk, a token in an answer, a cookie.
A page of a stranger that was given our address (DNS rebinding) comes with its own Host or Origin and is refused before anything is read.
"""

import hmac
import secrets
from pathlib import Path

import msgspec
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

HOST = "127.0.0.1"
LIVE = "/live"
TEXT, JSON = "text/plain; charset=utf-8", "application/json"
FOLDER = Path(__file__).resolve().parent / "page"
FILES = {  # path -> file, type; nothing else is ever opened
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/link.js": ("link.js", "text/javascript; charset=utf-8"),
    "/draw.js": ("draw.js", "text/javascript; charset=utf-8"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}


class Tokens(msgspec.Struct, frozen=True):
    """One to read, one to act; new at every start."""

    read: str
    act: str

    @classmethod
    def drawn(cls) -> "Tokens":
        return cls(secrets.token_urlsafe(18), secrets.token_urlsafe(18))

    def may_read(self, token: object) -> bool:
        return _equal(token, self.read) or _equal(token, self.act)

    def may_act(self, token: object) -> bool:
        return _equal(token, self.act)


def _equal(given: object, token: str) -> bool:
    return isinstance(given, str) and hmac.compare_digest(given.encode(), token.encode())


class Door:
    """Judges requests. `port` is where the server really listens."""

    def __init__(self, tokens: Tokens, port: int) -> None:
        self.tokens = tokens
        self._hosts = {f"{name}:{port}" for name in (HOST, "localhost")}
        self._origins = {f"http://{host}" for host in self._hosts}
        sockets = " ".join(f"ws://{host}" for host in sorted(self._hosts))
        self._policy = (
            f"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self' {sockets}; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
        self._files = {path: ((FOLDER / name).read_bytes(), kind) for path, (name, kind) in FILES.items()}

    def stranger(self, request: Request) -> Response | None:
        """The refusal, where the request was not made for this address or comes from a page that is not ours."""
        hosts, origins = request.headers.get_all("Host"), request.headers.get_all("Origin")
        if len(hosts) != 1 or hosts[0].lower() not in self._hosts:
            return self.answer(421, TEXT, b"this is not the host you asked for\n")
        if origins and (len(origins) != 1 or origins[0].lower() not in self._origins):
            return self.answer(403, TEXT, b"not from another page\n")
        if getattr(request, "method", "GET") != "GET":
            return self.answer(405, TEXT, b"GET only\n")
        return None

    def may_read(self, request: Request) -> bool:
        """`Authorization: Bearer TOKEN`."""
        given = request.headers.get_all("Authorization")
        kind, _, token = (given[0] if len(given) == 1 else "").partition(" ")
        return kind.lower() == "bearer" and self.tokens.may_read(token.strip())

    def file(self, path: str) -> Response | None:
        found = self._files.get(path)
        return None if found is None else self.answer(200, found[1], found[0])

    def answer(self, status: int, kind: str, body: bytes) -> Response:
        """Every answer ends its connection and may be kept, framed or guessed by nobody."""
        headers = Headers()
        for name, value in (
            ("Content-Type", kind),
            ("Content-Length", str(len(body))),
            ("Connection", "close"),
            ("Cache-Control", "no-store"),
            ("Content-Security-Policy", self._policy),
            ("Cross-Origin-Resource-Policy", "same-origin"),
            ("Referrer-Policy", "no-referrer"),
            ("X-Content-Type-Options", "nosniff"),
            ("X-Frame-Options", "DENY"),
        ):
            headers[name] = value
        if status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        return Response(status, REASONS[status], headers, body)


REASONS = {
    200: "OK", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed", 421: "Misdirected Request",
    503: "Service Unavailable",
}  # fmt: skip
