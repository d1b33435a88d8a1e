"""Who we are on the WS API: signed requests with an HMAC key, one log-on with an Ed25519 key, and what a request may hold."""

import base64
import hashlib
import hmac
import json

import pytest
from Crypto.PublicKey import ECC
from Crypto.Signature import eddsa

from core.events import Outcome, StreamDown
from exchange.binance.signing import Signer
from exchange.binance.ws_requests import Requests
from tests.binance.entry import KEY, SECRET, Bench, Row, answering, no, order_id, yes
from tests.binance.fake_ws import FakeWs, Peer


def test_every_request_is_signed_with_an_hmac_key() -> None:
    """Parameters but the signature, sorted by name, are what the signature covers; key, time and window are among them (binance-wire 1)."""
    seen: list[Row] = []
    with FakeWs(lambda peer: answering(peer, seen=seen)) as server, Bench(server) as bench:
        bench.up().place(1)
        bench.reply()
        bench.cancel(2)
        bench.reply()
    for request in seen:
        params = dict(request["params"])
        signature = params.pop("signature")
        text = "&".join(f"{name}={params[name]}" for name in sorted(params))
        assert signature == hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()
        assert (params["apiKey"], params["recvWindow"]) == (KEY, 3000)
    assert (seen[0]["params"]["price"], seen[0]["params"]["quantity"]) == ("50000.1", "0.002")
    assert "timeInForce" not in seen[0]["params"], "LIMIT_MAKER takes none"
    assert (seen[1]["params"]["orderId"], seen[1]["params"]["newClientOrderId"]) == ("77", "gl-t3k-1c")


def test_an_ed25519_key_logs_on_once() -> None:
    """session.logon is signed; afterwards requests carry a timestamp, but neither key nor signature (binance-wire 6)."""
    key = ECC.generate(curve="Ed25519")
    asked: list[Row] = []

    def venue(peer: Peer) -> None:
        for _ in range(2):
            request = peer.hear_json()
            asked.append(request)
            peer.say({"id": request["id"], "status": 200, "result": {}})
        asked.append(peer.hear_json())
        peer.say(yes(asked[-1]))
        peer.stay()

    with FakeWs(venue) as server, Bench(server, private_key=key.export_key(format="PEM")) as bench:
        bench.up().place(1)
        assert order_id(bench.reply()) == 1001
    assert [request["method"] for request in asked] == ["session.logon", "userDataStream.subscribe", "order.place"]
    params = dict(asked[0]["params"])
    signature = base64.b64decode(params.pop("signature"))
    text = "&".join(f"{name}={params[name]}" for name in sorted(params))
    eddsa.new(key.public_key(), "rfc8032").verify(text.encode(), signature)
    assert asked[1]["params"] == {}
    assert "timestamp" in asked[2]["params"] and not {"apiKey", "signature"} & set(asked[2]["params"])


def test_a_refused_log_on_is_a_refused_key() -> None:
    """-1022 to session.logon: the key is named as the cause, and no order goes over this connection."""
    key = ECC.generate(curve="Ed25519").export_key(format="PEM")

    def refusing(peer: Peer) -> None:
        peer.say(no(peer.hear_json(), 400, -1022, "Signature for this request is not valid."))
        peer.stay()

    with FakeWs(refusing) as server, Bench(server, private_key=key) as bench:
        down = bench.event(StreamDown)
        assert isinstance(down, StreamDown) and "does not accept the API key" in down.reason
        bench.place(1)
        assert bench.reply().outcome is Outcome.NOT_SENT


@pytest.mark.parametrize("value", ['a"b', "a&b", "a=b", "a\\b", "a\nb", "ä"])
def test_nothing_that_needs_escaping_leaves(value: str) -> None:
    """A value that JSON or the signature would have to escape is never sent, and never repeated in the error."""
    with pytest.raises(ValueError, match="escaped") as caught:
        Requests(Signer(KEY, SECRET)).signed(1, "order.place", {"symbol": value}, 1)
    assert value not in str(caught.value)
    with FakeWs(answering) as server, Bench(server) as bench:
        bench.up().place(1, name=value)
        assert bench.reply().outcome is Outcome.NOT_SENT


def test_requests_are_json() -> None:
    """The three forms are one JSON object each; a text id stays text, a number a number."""
    requests = Requests(Signer(KEY, SECRET), 2000)
    signed = json.loads(requests.signed("s-1", "m", {"symbol": "A"}, 9))
    assert (signed["id"], signed["params"]["timestamp"], signed["params"]["recvWindow"]) == ("s-1", 9, 2000)
    assert json.loads(requests.vouched(3, "m", {"b": "1", "a": 2}, 9)) == {
        "id": 3, "method": "m", "params": {"a": 2, "b": "1", "recvWindow": 2000, "timestamp": 9}
    }  # fmt: skip
    assert json.loads(requests.plain(4, "time", {})) == {"id": 4, "method": "time", "params": {}}
