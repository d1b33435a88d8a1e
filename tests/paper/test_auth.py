"""Who may call, by the public example key of Binance's own documents (binance-wire 1)."""

from __future__ import annotations

import pytest

from exchange.paper.auth import Credentials, rest_payload, ws_payload
from exchange.paper.model import Reject

KEY = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
PARAMS = "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559"
IN_ONE = "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"
IN_TWO = "0fd168b8ddb4876a0358a8d14d0c9f3da0e9b20c5d52b2a00fcf7d1c602f9a77"  # query and body, without a separator
HEAD, TAIL = PARAMS[: PARAMS.index("&quantity")], PARAMS[PARAMS.index("quantity") :]
WS_PARAMS = {
    "symbol": "BTCUSDT", "side": "SELL", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.01000000", "price": "52000.00", "recvWindow": "100",
    "timestamp": "1645423376532", "apiKey": KEY,
}  # fmt: skip
WS_SIGNATURE = "aa1b5712c094bc4e57c05a1a5c1fd8d88dcd628338ea863fec7b88e59fe2db24"


@pytest.mark.parametrize(
    ("query", "body", "signature"),
    [
        (f"{PARAMS}&signature={IN_ONE}", "", IN_ONE),
        (f"signature={IN_ONE}&{PARAMS}", "", IN_ONE),
        ("", f"{PARAMS}&signature={IN_ONE}", IN_ONE),
        (HEAD, f"{TAIL}&signature={IN_TWO}", IN_TWO),
    ],
)
def test_rest_vectors(query: str, body: str, signature: str) -> None:
    """The documented signatures fit query, body and both, in either case of the hex; one other character does not."""
    credentials, payload = Credentials(KEY, SECRET), rest_payload(query, body.encode())
    credentials.check_signature(payload, signature)
    credentials.check_signature(payload, signature.upper())
    with pytest.raises(Reject) as refusal:
        credentials.check_signature(payload + b"0", signature)
    assert (refusal.value.code, refusal.value.message) == (-1022, "Signature for this request is not valid.")


def test_ws_vector() -> None:
    """All parameters but the signature, sorted by name; apiKey is one of them."""
    Credentials(KEY, SECRET).check_signature(ws_payload({**WS_PARAMS, "signature": WS_SIGNATURE}), WS_SIGNATURE)
