"""Signed REST calls against a scripted server: what leaves, how often, within what time, and what every ending means."""

import base64
import hashlib
import hmac
import socket
import threading
import time
from collections.abc import Callable
from urllib.parse import unquote

import pytest
from Crypto.PublicKey import ECC
from Crypto.Signature import eddsa

from core.ports import NotSent, Refused
from core.types import RateLimit
from exchange.binance.clock import VenueClock
from exchange.binance.errors import UnknownOutcome
from exchange.binance.rest import Rest
from tests.binance.fake_http import FakeHttp, Reply, Request, Script
from tests.timing import SOON_S, quickest_s

KEY, SECRET = "canary-key-91", "canary-secret-92"
ORDER, TIME = "/api/v3/order", "/api/v3/time"
PARAMS = {"symbol": "BTCUSDT", "quantity": "0.00001", "newClientOrderId": "gl-1"}


def rest_of(server: FakeHttp, clock: VenueClock | None = None) -> Rest:
    return Rest(server.url, KEY, SECRET, clock or VenueClock(), connect_timeout_s=SOON_S)


def server_time(offset_ms: int = 0) -> Script:
    return lambda request: Reply({"serverTime": int(time.time() * 1000) + offset_ms})


def is_signed(request: Request) -> bool:
    """The signature covers exactly the bytes received, query then body, without `&signature=...` at the end (binance-wire 1)."""
    payload, _, signature = (request.query + request.body).rpartition("&signature=")
    return hmac.new(SECRET.encode(), payload.encode(), hashlib.sha256).hexdigest() == signature


def outcome(call: Callable[[], object]) -> BaseException:
    with pytest.raises((Refused, NotSent, UnknownOutcome)) as caught:
        call()
    return caught.value


def test_what_leaves() -> None:
    """A POST carries our parameters as they are, the key in its header, our recvWindow, and a signature over its exact bytes."""
    with FakeHttp({("POST", ORDER): Reply({"ok": 1})}) as server:
        answer = rest_of(server).send("post", "order", PARAMS, SOON_S)
        (request,) = server.requests
    assert answer.body == b'{"ok": 1}'
    assert request.headers["X-MBX-APIKEY"] == KEY
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert request.params["quantity"] == "0.00001" and request.params["newClientOrderId"] == "gl-1"
    assert request.params["recvWindow"] == "3000"
    assert is_signed(request)


def test_an_ed25519_key_signs() -> None:
    """With a PEM key the signature over the bytes received is the key's, base64 and percent-encoded."""
    key = ECC.generate(curve="Ed25519")
    with FakeHttp({("GET", ORDER): Reply(), ("POST", ORDER): Reply()}) as server:
        rest = Rest(server.url, KEY, "", VenueClock(), private_key=key.export_key(format="PEM") + "\n")
        rest.read("order", {"symbol": "BTCUSDT"}, SOON_S)
        rest.send("post", "order", PARAMS, SOON_S)
    for request in server.requests:
        payload, _, signature = (request.query + request.body).rpartition("&signature=")
        eddsa.new(key.public_key(), "rfc8032").verify(payload.encode(), base64.b64decode(unquote(signature)))


def test_reads_and_deletes_are_signed_too() -> None:
    """GET signs its query and DELETE its body; an unsigned read carries no timestamp."""
    with FakeHttp({("GET", ORDER): Reply(), ("DELETE", ORDER): Reply(), ("GET", "/api/v3/depth"): Reply()}) as server:
        rest = rest_of(server)
        rest.read("order", {"symbol": "BTCUSDT"}, SOON_S)
        rest.send("delete", "order", {"symbol": "BTCUSDT"}, SOON_S)
        rest.read("depth", {"symbol": "BTCUSDT"}, SOON_S, signed=False)
    assert is_signed(server.requests[0]) and is_signed(server.requests[1])
    assert server.requests[2].params == {"symbol": "BTCUSDT"}


def test_limits_are_read_per_answer() -> None:
    """The counts of this very answer come back with it, completed by the sizes from exchangeInfo."""
    used = iter(("5", "6"))
    script = {("GET", "/api/v3/depth"): lambda request: Reply(headers={"X-MBX-USED-WEIGHT-1M": next(used)})}
    with FakeHttp(script) as server:
        rest = rest_of(server)
        rest.know_limits([RateLimit("REQUEST_WEIGHT", 60, 6000)])
        answers = [rest.read("depth", {}, SOON_S, signed=False).limits for _ in range(2)]
    assert answers == [(RateLimit("REQUEST_WEIGHT", 60, 6000, 5),), (RateLimit("REQUEST_WEIGHT", 60, 6000, 6),)]


@pytest.mark.parametrize("fault", ["reset", "close"])
def test_a_mutating_call_leaves_once(fault: str) -> None:
    """A line that breaks after sending is unknown, and the body does not leave a second time, also over a connection used before."""
    replies = iter((Reply(), Reply(fault=fault), Reply()))
    with FakeHttp({("POST", ORDER): lambda request: next(replies)}) as server:
        rest = rest_of(server)
        rest.send("post", "order", PARAMS, SOON_S)
        assert isinstance(outcome(lambda: rest.send("post", "order", PARAMS, SOON_S)), UnknownOutcome)
        assert len(server.requests) == 2


def test_a_closed_keep_alive_connection() -> None:
    """A pooled connection that the server has closed meanwhile is replaced before sending: nothing is lost and nothing doubled."""
    with FakeHttp({("POST", ORDER): Reply(headers={"Connection": "close"})}) as server:
        rest = rest_of(server)
        for _ in range(3):
            rest.send("post", "order", PARAMS, SOON_S)
        assert len(server.requests) == 3


def test_redirects_are_not_followed() -> None:
    """A redirect would send the order again, elsewhere; it is an unknown outcome."""
    with FakeHttp({("POST", ORDER): Reply(status=307, headers={"Location": "/api/v3/order/test"})}) as server:
        assert isinstance(outcome(lambda: rest_of(server).send("post", "order", PARAMS, SOON_S)), UnknownOutcome)
        assert len(server.requests) == 1


def test_nobody_listens() -> None:
    """A refused connection means that nothing was sent."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        assert isinstance(outcome(lambda: Rest(url, KEY, SECRET, VenueClock()).send("post", "order", PARAMS, SOON_S)), NotSent)


def test_names_that_do_not_resolve() -> None:
    """A host without an address means that nothing was sent."""
    rest = Rest("http://no-such-host.invalid", KEY, SECRET, VenueClock())
    assert isinstance(outcome(lambda: rest.send("post", "order", PARAMS, 2)), NotSent)


def test_no_answer_in_time() -> None:
    """A server that stays silent: unknown, at the timeout."""
    with FakeHttp({}) as server:
        server.scripts["POST", ORDER] = lambda request: Reply(fault="close") if server.done.wait(SOON_S) else Reply()
        assert quickest_s(lambda: unknown_after_s(server, 0.2), 0.5) < 0.5


def unknown_after_s(server: FakeHttp, timeout_s: float) -> float:
    """How long an order without an answer held its worker."""
    began = time.monotonic()
    assert isinstance(outcome(lambda: rest_of(server).send("post", "order", PARAMS, timeout_s)), UnknownOutcome)
    took_s = time.monotonic() - began
    assert took_s > timeout_s - 0.05
    return took_s


@pytest.mark.parametrize("fault", ["drip", "halt"])
def test_slow_bytes_do_not_stretch_the_timeout(fault: str) -> None:
    """A server that sends one byte at a time, or stops in mid-answer, cannot hold a worker longer than the call's own time."""
    with FakeHttp({("POST", ORDER): Reply(fault=fault)}) as server:
        assert quickest_s(lambda: unknown_after_s(server, 0.4), 0.5) < 0.5


def test_reads_are_tried_again() -> None:
    """A read survives two broken lines, and no more than three requests leave."""
    replies = iter((Reply(fault="reset"), Reply(status=500), Reply({"a": 1})))
    with FakeHttp({("GET", ORDER): lambda request: next(replies)}) as server:
        assert rest_of(server).read("order", {}, SOON_S).body == b'{"a": 1}'
        assert len(server.requests) == 3


@pytest.mark.parametrize("status", [403, 418, 429])
def test_limits_and_bans_are_never_tried_again(status: int) -> None:
    """Hammering a limit makes it a ban: one request, one refusal with its waiting time."""
    with FakeHttp({("GET", ORDER): Reply({"code": -1003, "msg": "Too much"}, status, {"Retry-After": "9"})}) as server:
        refused = outcome(lambda: rest_of(server).read("order", {}, SOON_S))
        assert len(server.requests) == 1
    assert isinstance(refused, Refused)
    assert (refused.error.http_status, refused.error.code) == (status, -1003)
    assert refused.error.retry_after_ms == 9000


def test_clock_offset() -> None:
    """The offset is the venue's time against the middle of the round trip, and the next signature uses it."""
    with FakeHttp({("GET", TIME): server_time(5000), ("GET", ORDER): Reply()}) as server:
        rest = rest_of(server)
        begun_ms = time.time() * 1000
        offset_ms = rest.sync_clock()
        measured_ms = time.time() * 1000
        assert abs(offset_ms - 5000) <= 10 + (measured_ms - begun_ms) / 2
        rest.read("order", {}, SOON_S)
        signed_ms = int(server.requests[-1].params["timestamp"]) - offset_ms
    assert measured_ms - 2 <= signed_ms <= time.time() * 1000 + 2


@pytest.mark.parametrize("step_s", [3600, -3600])
def test_a_wall_clock_that_is_put_right_changes_nothing(monkeypatch: pytest.MonkeyPatch, step_s: int) -> None:
    """The computer's clock is set by an hour while the bot runs: timestamps stay right without a new measurement, and a new one finds the same
    offset, so that "since" in the engine's time still means the same moment to the venue (a search would else begin after the order it seeks)."""
    wall = time.time
    with FakeHttp({("GET", TIME): lambda request: Reply({"serverTime": int(wall() * 1000) + 5000}), ("POST", ORDER): Reply()}) as server:
        rest = rest_of(server)
        before_ms = rest.sync_clock()
        monkeypatch.setattr(time, "time", lambda: wall() + step_s)
        rest.send("post", "order", PARAMS, 1)
        assert abs(int(server.requests[-1].params["timestamp"]) - wall() * 1000 - 5000) < 1000
        assert abs(rest.sync_clock() - before_ms) < 1000


def test_a_refused_timestamp_mends_itself() -> None:
    """-1021 on a read: the clock is measured and the read repeated. On an order: refused once, measured before the next."""
    refusal = Reply({"code": -1021, "msg": "Timestamp for this request is outside of the recvWindow."}, 400)

    def judge(request: Request) -> Reply:
        return Reply() if int(request.params["timestamp"]) - time.time() * 1000 > 30_000 else refusal

    with FakeHttp({("GET", TIME): server_time(60_000), ("GET", ORDER): judge, ("POST", ORDER): judge}) as server:
        rest_of(server).read("order", {}, SOON_S)
        rest = rest_of(server)
        refused = outcome(lambda: rest.send("post", "order", PARAMS, SOON_S))
        assert isinstance(refused, Refused) and refused.error.code == -1021
        rest.send("post", "order", PARAMS, SOON_S)
        assert len(server.of("POST", ORDER)) == 2


def test_an_unmeasurable_clock_sends_nothing() -> None:
    """While the clock is in doubt and cannot be measured no signed call leaves."""
    clock = VenueClock()
    clock.doubt()
    with FakeHttp({("POST", ORDER): Reply(), ("GET", TIME): Reply(status=500)}) as server:
        assert isinstance(outcome(lambda: rest_of(server, clock).send("post", "order", PARAMS, SOON_S)), NotSent)
        assert server.of("POST", ORDER) == []


def test_shut_frees_a_blocked_worker() -> None:
    """Stop shuts all sockets: a worker waiting for an answer is free at once (unknown), and later calls do not leave."""
    arrived = threading.Event()
    with FakeHttp({}) as server:

        def hold(request: Request) -> Reply:
            arrived.set()
            server.done.wait(2 * SOON_S)
            return Reply(fault="close")

        server.scripts["POST", ORDER] = hold
        rest = rest_of(server)
        endings: list[BaseException] = []
        worker = threading.Thread(target=lambda: endings.append(outcome(lambda: rest.send("post", "order", PARAMS, 2 * SOON_S))))
        worker.start()
        assert arrived.wait(SOON_S)
        rest.shut()
        worker.join(SOON_S)
        assert not worker.is_alive()
        assert isinstance(endings[0], UnknownOutcome)
        assert isinstance(outcome(lambda: rest.send("post", "order", PARAMS, SOON_S)), NotSent)


def test_one_connection_per_thread() -> None:
    """Threads do not share a session: each has its own connection and uses it again."""
    with FakeHttp({("GET", TIME): server_time()}) as server:
        rest = rest_of(server)
        ready = threading.Barrier(2)

        def calls() -> None:
            ready.wait()
            for _ in range(3):
                rest.read("time", {}, SOON_S, signed=False)

        workers = [threading.Thread(target=calls) for _ in range(2)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        ports = [request.thread for request in server.requests]
    assert sorted(ports.count(port) for port in set(ports)) == [3, 3]


def test_secrets_stay_inside() -> None:
    """No ending shows the key, the secret or a signature, in its text or in what it was raised from."""
    with FakeHttp({("GET", ORDER): Reply(fault="reset"), ("POST", ORDER): Reply({"code": -1, "msg": f"apiKey={KEY}"}, 400)}) as server:
        rest = rest_of(server)
        errors = [outcome(lambda: rest.read("order", {}, 0.3)), outcome(lambda: rest.send("post", "order", PARAMS, SOON_S))]
        signatures = [request.params["signature"] for request in server.requests]
    for error in errors:
        text = f"{error!r} {error} {error.__cause__!r}"
        assert error.__cause__ is None and (error.__suppress_context__ or error.__context__ is None)
        assert not any(secret in text for secret in (KEY, SECRET, *signatures))
