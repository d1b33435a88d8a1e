"""Ed25519 keys: REST and WS API signatures, session.logon and what it allows (binance-wire 1 and 6)."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from Crypto.PublicKey import ECC
from Crypto.Signature import eddsa

from tests.paper.exchange_client import Exchange


class KeyHolder(Exchange):
    """Signs with its Ed25519 key, base64; percent-encoded where it goes into a query."""

    def __init__(self, folder: Path) -> None:
        self.key = ECC.generate(curve="Ed25519")
        public = folder / "public.pem"
        public.write_text(self.key.public_key().export_key(format="PEM"))
        super().__init__("--ed25519-public", str(public))

    def sign(self, text: str) -> str:
        return base64.b64encode(eddsa.new(self.key, "rfc8032").sign(text.encode())).decode()


@pytest.fixture(scope="module")
def holder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeyHolder]:
    exchange = KeyHolder(tmp_path_factory.mktemp("key"))
    yield exchange
    exchange.stop()


def get_account(holder: KeyHolder, signature: str, query: str) -> Any:
    return holder.raw("GET", "/api/v3/account", f"{query}&signature={quote(signature, safe='')}")


def test_rest_signature(holder: KeyHolder) -> None:
    """A right signature passes; one of another text, or an HMAC, is -1022."""
    query = f"timestamp={int(time.time() * 1000)}"
    assert get_account(holder, holder.sign(query), query).status == 200
    assert get_account(holder, holder.sign(query + "0"), query).code == -1022
    assert get_account(holder, "ab" * 32, query).code == -1022


def test_logon_replaces_key_and_signature(holder: KeyHolder) -> None:
    """After session.logon calls need only the timestamp; user data may be subscribed; logout ends both (eventStreamTerminated)."""
    now = {"timestamp": int(time.time() * 1000)}
    with holder.ws_api() as socket:
        assert socket.request("account.status", now)["status"] == 401
        status = socket.signed("session.logon")["result"]
        assert status["apiKey"] == holder.ready["api_key"] and status["authorizedSince"] >= status["connectedSince"]
        assert socket.request("account.status", now)["status"] == 200
        assert socket.request("account.status")["error"]["code"] == -1102
        assert socket.request("userDataStream.subscribe")["result"] == {"subscriptionId": 0}
        assert socket.request("session.status")["result"]["userDataStream"] is True
        assert socket.request("account.status", {**now, "signature": "AAAA"})["status"] == 401
        assert socket.request("session.logout")["result"]["apiKey"] is None
        assert socket.event("eventStreamTerminated") and socket.request("session.subscriptions")["result"] == []
        assert socket.request("account.status", now)["status"] == 401
