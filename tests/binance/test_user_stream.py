"""The account's events over the WS API: when the stream is up, what ends it, and how a refused clock or key is met. Signatures too."""

import base64
import contextlib
import json
import random
import time
from collections.abc import Iterator

import pytest
from Crypto.PublicKey import ECC
from Crypto.Signature import eddsa

from core.events import BalanceUpdate, StreamDown, StreamGap, StreamUp
from core.types import Connection
from exchange.binance import socket_loop, talk
from exchange.binance.clock import VenueClock
from exchange.binance.signing import Signer
from exchange.binance.socket_loop import SocketLoop
from exchange.binance.user_stream import user_stream
from exchange.binance.ws_requests import Requests
from tests.binance.fake_ws import FakeWs, Peer
from tests.binance.inbox import Heard
from tests.timing import SOON_S

# The documentation's public example key (binance-wire 1).
KEY = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
MOVED = '{"subscriptionId":0,"event":{"e":"balanceUpdate","E":2,"a":"BTC","d":"1.0","T":%d}}'


@pytest.fixture(autouse=True)
def quick_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short waits between connections."""
    monkeypatch.setattr(socket_loop, "BACKOFF_S_FIRST", 0.01)


@contextlib.contextmanager
def reading(server: FakeWs, heard: Heard, clock: VenueClock | None = None) -> Iterator[SocketLoop]:
    loop = user_stream(server.url, Signer(KEY, SECRET), clock or VenueClock(), heard, time.time_ns, random.Random(1), 10_000)
    loop.start()
    try:
        yield loop
    finally:
        loop.stop(time.monotonic() + SOON_S)
        assert not loop.is_running


def accept(peer: Peer) -> None:
    """Take the subscription as a venue does, then stay."""
    request = peer.hear_json()
    assert request["method"] == "userDataStream.subscribe.signature"
    peer.say({"id": request["id"], "status": 200, "result": {"subscriptionId": 0}, "rateLimits": []})
    peer.say(MOVED % 1)
    peer.stay()


def refuse(status: int, code: int, msg: str = "no") -> object:
    def script(peer: Peer) -> None:
        peer.say({"id": peer.hear_json()["id"], "status": status, "error": {"code": code, "msg": msg}})
        peer.stay()

    return script


# -- signatures ----------------------------------------------------------------------------------
def test_hmac_vector() -> None:
    """The documentation's WS API example signs to its published value."""
    payload = (
        f"apiKey={KEY}&price=52000.00&quantity=0.01000000&recvWindow=100&side=SELL&symbol=BTCUSDT"
        "&timeInForce=GTC&timestamp=1645423376532&type=LIMIT"
    )
    assert Signer(KEY, SECRET).sign(payload) == "aa1b5712c094bc4e57c05a1a5c1fd8d88dcd628338ea863fec7b88e59fe2db24"


def test_params_are_signed_in_order() -> None:
    """Parameters are sorted by name whatever order they came in; the signature is last."""
    params: dict[str, str | int] = {"type": "LIMIT", "symbol": "BTCUSDT", "side": "SELL", "timeInForce": "GTC"}
    params |= {"recvWindow": 100, "quantity": "0.01000000", "price": "52000.00"}
    request = json.loads(Requests(Signer(KEY, SECRET), 100).signed(7, "order.place", params, 1645423376532))
    signed = request["params"]
    assert (request["id"], request["method"], list(signed)[-1]) == (7, "order.place", "signature")
    assert signed["signature"] == "aa1b5712c094bc4e57c05a1a5c1fd8d88dcd628338ea863fec7b88e59fe2db24"


def test_ed25519() -> None:
    """A PEM key signs in place of the secret; the public half verifies it."""
    key = ECC.generate(curve="Ed25519")
    signer = Signer(KEY, "", key.export_key(format="PEM"))


    eddsa.new(key.public_key(), "rfc8032").verify(b"a=1&b=2", base64.b64decode(signer.sign("a=1&b=2")))


def test_signer_without_keys() -> None:
    """Neither secret nor key, or a PEM that is none, is refused; nothing secret is shown."""
    with pytest.raises(ValueError, match="needed"):
        Signer(KEY, "")
    with pytest.raises(ValueError, match="neither") as caught:
        Signer(KEY, "", "canary-pem")
    assert "canary-pem" not in str(caught.value)
    other = ECC.generate(curve="P-256")
    for pem in (other.export_key(format="PEM"), ECC.generate(curve="Ed25519").public_key().export_key(format="PEM")):
        with pytest.raises(ValueError, match="neither"):
            Signer(KEY, "", pem)
    assert SECRET not in repr(Signer(KEY, SECRET))


# -- the stream ----------------------------------------------------------------------------------
def test_up_only_after_the_reply() -> None:
    """StreamUp comes with the subscription's status 200, not with the open socket; events follow."""
    heard = Heard()
    gates: list[bool] = []

    def late(peer: Peer) -> None:
        request = peer.hear_json()
        gates.append(heard.is_quiet(0.1))
        params = request["params"]
        assert isinstance(params, dict)
        own = Requests(Signer(KEY, SECRET)).signed(0, "", {}, params["timestamp"])
        gates.append(json.loads(own)["params"] == params)
        peer.say({"id": request["id"], "status": 200, "result": {"subscriptionId": 0}})
        peer.say(MOVED % 1)
        peer.stay()

    with FakeWs(late) as server, reading(server, heard):
        up, _ = heard.expect(StreamUp, BalanceUpdate)
    assert up == StreamUp(connection=Connection.USER)
    assert gates == [True, True]


def test_no_reply_is_no_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    """A venue that answers pings but never the subscription is left; the stream was never up."""
    monkeypatch.setattr(talk, "CONFIRM_S_MAX", 0.2)
    heard = Heard()
    with FakeWs(Peer.stay, accept) as server, reading(server, heard):
        down, _ = heard.expect(StreamDown, StreamUp)
        assert isinstance(down, StreamDown) and "no answer to the subscription" in down.reason


def test_resubscribes_after_a_drop() -> None:
    """A new connection subscribes again before it is up (python-binance's does not: events stop silently)."""
    heard = Heard()

    def once(peer: Peer) -> None:
        peer.say({"id": peer.hear_json()["id"], "status": 200, "result": {}})

    with FakeWs(once, accept) as server, reading(server, heard):
        heard.expect(StreamUp, StreamDown, StreamUp, BalanceUpdate)


def test_terminated_subscription() -> None:
    """eventStreamTerminated: a gap, and a new connection with a new subscription."""
    heard = Heard()

    def ended(peer: Peer) -> None:
        peer.say({"id": peer.hear_json()["id"], "status": 200, "result": {}})
        peer.say('{"subscriptionId":0,"event":{"e":"eventStreamTerminated","E":1}}')
        peer.stay()

    with FakeWs(ended, accept) as server, reading(server, heard):
        heard.expect(StreamUp, StreamGap, StreamDown, StreamUp, BalanceUpdate)


def test_funds_locked_from_outside() -> None:
    """externalLockUpdate tells no balance, so it is a gap: the account is read again."""
    heard = Heard()

    def locked(peer: Peer) -> None:
        peer.say({"id": peer.hear_json()["id"], "status": 200, "result": {}})
        peer.say('{"subscriptionId":0,"event":{"e":"externalLockUpdate","E":2,"a":"NEO","d":"10.0","T":1}}')
        peer.say('{"subscriptionId":0,"event":{"e":"listStatus","E":2}}')
        peer.say(MOVED % 2)
        peer.stay()

    with FakeWs(locked) as server, reading(server, heard):
        heard.expect(StreamUp, StreamGap, BalanceUpdate)


def test_a_refused_timestamp_is_mended_on_the_same_socket() -> None:
    """-1021: ask the venue's time over this socket, correct the shared clock, subscribe again; no outage."""
    heard, clock = Heard(), VenueClock()

    def skewed(peer: Peer) -> None:
        first = peer.hear_json()
        peer.say({"id": first["id"], "status": 400, "error": {"code": -1021, "msg": "Timestamp"}})
        asked = peer.hear_json()
        assert asked["method"] == "time"
        peer.say({"id": asked["id"], "status": 200, "result": {"serverTime": int(time.time() * 1000) + 70_000}})
        accept(peer)

    with FakeWs(skewed) as server, reading(server, heard, clock):
        heard.expect(StreamUp, BalanceUpdate)
    assert abs(clock.offset_ms - 70_000) < 20_000 and not clock.suspect


def test_the_clock_is_not_measured_for_ever() -> None:
    """A venue that refuses every timestamp is left after three measurements."""
    heard = Heard()
    asked: list[object] = []

    def stubborn(peer: Peer) -> None:
        while request := peer.hear_json():
            asked.append(request["method"])
            if request["method"] == "time":
                peer.say({"id": request["id"], "status": 200, "result": {"serverTime": 1}})
            else:
                peer.say({"id": request["id"], "status": 400, "error": {"code": -1021, "msg": "Timestamp"}})

    with FakeWs(stubborn, accept) as server, reading(server, heard):
        (down,) = heard.expect(StreamDown)
        assert isinstance(down, StreamDown) and "-1021" in down.reason
    assert asked.count("time") == 3


@pytest.mark.parametrize(("status", "code"), [(401, -2015), (400, -1022), (401, -2014)])
def test_a_refused_key(status: int, code: int) -> None:
    """A key the venue does not take: said in plain words, and tried again only after 30 s."""
    heard = Heard()
    with FakeWs(refuse(status, code)) as server, reading(server, heard):  # type: ignore[arg-type]
        (down,) = heard.expect(StreamDown)
        assert isinstance(down, StreamDown)
        assert "does not accept the API key" in down.reason and down.retry_in_ms == 30_000


def test_a_key_revoked_in_mid_session() -> None:
    """An unsolicited 401 with id null ends the stream with the same words."""
    heard = Heard()

    def revoked(peer: Peer) -> None:
        peer.say({"id": peer.hear_json()["id"], "status": 200, "result": {}})
        peer.say({"id": None, "status": 401, "error": {"code": -2015, "msg": "Invalid API-key"}})
        peer.stay()

    with FakeWs(revoked) as server, reading(server, heard):
        _, down = heard.expect(StreamUp, StreamDown)
        assert isinstance(down, StreamDown) and "does not accept the API key" in down.reason


def test_a_ban_on_the_ws_api() -> None:
    """A 418 with data.retryAfter (epoch ms) keeps us away until then."""
    heard = Heard()

    def banned(peer: Peer) -> None:
        until = int(time.time() * 1000) + 90_000
        error = {"code": -1003, "msg": "banned", "data": {"serverTime": 1, "retryAfter": until}}
        peer.say({"id": peer.hear_json()["id"], "status": 418, "error": error})
        peer.stay()

    with FakeWs(banned) as server, reading(server, heard):
        (down,) = heard.expect(StreamDown)
        assert isinstance(down, StreamDown) and 60_000 < down.retry_in_ms <= 90_500


def test_nothing_secret_is_told() -> None:
    """A venue that echoes key and signature in its refusal does not get them into our reason."""
    heard = Heard()
    with FakeWs(refuse(400, -1100, f"bad apiKey={KEY} signature=cafe12")) as server, reading(server, heard):  # type: ignore[arg-type]
        (down,) = heard.expect(StreamDown)
        assert isinstance(down, StreamDown)
        assert KEY not in down.reason and "cafe12" not in down.reason
