"""RSA keys: RSASSA-PKCS1-v1_5 with SHA-256 in base64 on both transports; session.logon is not for them (binance-wire 1 and 6)."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
from Crypto.Hash import SHA256
from Crypto.PublicKey import RSA
from Crypto.Signature import pkcs1_15

from exchange.paper.auth import Credentials
from tests.paper.exchange_client import Answer, Exchange


class KeyHolder(Exchange):
    """An exchange that knows only the public half of our key."""

    def __init__(self, folder: Path) -> None:
        self.key = RSA.generate(2048)
        public = folder / "key.pem"
        public.write_bytes(self.key.public_key().export_key())
        super().__init__("--public-key", str(public))

    def sign(self, text: str) -> str:
        return base64.b64encode(pkcs1_15.new(self.key).sign(SHA256.new(text.encode()))).decode()


@pytest.fixture(scope="module")
def holder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeyHolder]:
    exchange = KeyHolder(tmp_path_factory.mktemp("key"))
    yield exchange
    exchange.stop()


def account(holder: KeyHolder, signed: str) -> Answer:
    now = holder.public("GET", "/api/v3/time").json["serverTime"]
    query = f"timestamp={now}"
    return holder.raw("GET", "/api/v3/account", f"{query}&{urlencode({'signature': holder.sign(query + signed)})}")


def test_rest_and_ws_signatures(holder: KeyHolder) -> None:
    """A right signature passes, one of another text is -1022; user data is subscribed by signature, session.logon is refused."""
    assert account(holder, "").status == 200
    assert account(holder, "0").code == -1022
    with holder.ws_api() as socket:
        assert socket.place()["status"] == 200
        assert socket.subscribe()["result"] == {"subscriptionId": 0}
        assert socket.signed("session.logon")["error"]["code"] == -1022


def test_a_short_key_is_refused() -> None:
    """An RSA key has 2048 to 4096 bits."""
    with pytest.raises(ValueError, match="2048 to 4096"):
        Credentials("key", "secret", RSA.generate(1024).public_key().export_key().decode())
