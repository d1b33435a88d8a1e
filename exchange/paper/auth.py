"""Who may call: API key, signature (HMAC, Ed25519 or RSA) and the two timing rules (binance-wire 1).

Called by the REST and WS API handlers on the event loop. Pure apart from the clock value it is given; it never
logs or returns the secret.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping

from Crypto.Hash import SHA256
from Crypto.PublicKey import ECC, RSA
from Crypto.Signature import eddsa, pkcs1_15

from exchange.paper.model import Reject
from exchange.paper.params import Params, illegal, missing

RSA_BITS = (2048, 4096)
AHEAD_MAX_MS = 1000
AHEAD_ABSURD_MS = 10_000
OLDEST_MS = 1_483_228_800_000  # 2017-01-01: an older timestamp is a bad parameter, not a late one
RECV_WINDOW_MS = 5000
RECV_WINDOW_MAX_MS = 60_000
_RECV_WINDOW = re.compile(r"[0-9]{1,6}(\.[0-9]{1,3})?")
_SIGNATURE_PART = re.compile(r"(^|&)signature=[^&]*")
AHEAD_TEXT = "Timestamp for this request was 1000ms ahead of the server's time."
LATE_TEXT = "Timestamp for this request is outside of the recvWindow."


class Credentials:
    """One API key: HMAC with a secret, or the public half of the client's Ed25519 or RSA key.

    Raises ValueError when the PEM text holds neither, or an RSA key outside 2048 to 4096 bits.
    """

    def __init__(self, api_key: str, api_secret: str, public_pem: str | None = None) -> None:
        self.api_key = api_key
        self.api_secret = api_secret
        self._ed25519: ECC.EccKey | None = None
        self._rsa: RSA.RsaKey | None = None
        if public_pem is not None:
            self._read_pem(public_pem)

    def _read_pem(self, text: str) -> None:
        try:
            self._ed25519 = ECC.import_key(text)
        except ValueError:
            self._rsa = RSA.import_key(text)
            if not RSA_BITS[0] <= self._rsa.size_in_bits() <= RSA_BITS[1]:
                raise ValueError(f"an RSA key has 2048 to 4096 bits, not {self._rsa.size_in_bits()}") from None
            return
        if self._ed25519.curve != "Ed25519":
            raise ValueError(f"the key is of the curve {self._ed25519.curve}, not Ed25519")

    @property
    def can_log_on(self) -> bool:
        """session.logon takes Ed25519 keys only (binance-wire 6)."""
        return self._ed25519 is not None

    def check_key(self, sent: str | None) -> None:
        """Raise -2014 when no key was sent, -2015 when it is not ours (both HTTP 401)."""
        if not sent:
            raise Reject(-2014, "API-key format invalid.", 401)
        if sent != self.api_key:
            raise Reject(-2015, "Invalid API-key, IP, or permissions for action.", 401)

    def check_signature(self, payload: bytes, signature: str | None) -> None:
        """Raise -1102 when there is no signature, -1022 when it does not fit. Hex case does not matter."""
        if not signature:
            raise missing("signature")
        is_hmac = self._ed25519 is None and self._rsa is None
        if not (self._fits_hmac(payload, signature) if is_hmac else self._fits_key(payload, signature)):
            raise Reject(-1022, "Signature for this request is not valid.")

    def _fits_hmac(self, payload: bytes, signature: str) -> bool:
        wanted = hmac.new(self.api_secret.encode(), payload, hashlib.sha256).hexdigest()
        return hmac.compare_digest(wanted.encode(), signature.lower().encode())

    def _fits_key(self, payload: bytes, signature: str) -> bool:
        try:
            given = base64.b64decode(signature, validate=True)
            if self._ed25519 is not None:
                eddsa.new(self._ed25519, "rfc8032").verify(payload, given)
            elif self._rsa is not None:
                pkcs1_15.new(self._rsa).verify(SHA256.new(payload), given)
        except ValueError:
            return False
        return True


def rest_payload(query: str, body: bytes) -> bytes:
    """Exactly what a REST client signs: raw query, then raw body, no separator, without the signature."""
    bare_query = _SIGNATURE_PART.sub("", query, count=1).removeprefix("&")
    if b"signature=" in body:
        body = _SIGNATURE_PART.sub("", body.decode("utf-8", "surrogateescape"), count=1).encode(
            "utf-8", "surrogateescape"
        )
    return bare_query.encode("utf-8", "surrogateescape") + body


def ws_payload(values: Mapping[str, str]) -> bytes:
    """What a WS API client signs: all parameters but the signature, sorted by name, `k=v` joined by `&`."""
    return "&".join(f"{name}={values[name]}" for name in sorted(values) if name != "signature").encode()


def request_window(params: Params) -> tuple[float, float]:
    """The call's (timestamp, recvWindow) in milliseconds. Raises -1102, -1100 or -1131."""
    text = params.require("timestamp")
    if not text.isascii() or not text.isdigit() or len(text) > 17:
        raise illegal("timestamp", "^[0-9]{1,20}$")
    timestamp_ms = int(text) / 1000 if len(text) >= 16 else float(text)
    window_text = params.text("recvWindow")
    if window_text is None:
        return timestamp_ms, RECV_WINDOW_MS
    if not _RECV_WINDOW.fullmatch(window_text):
        raise illegal("recvWindow", r"^[0-9]{1,6}(\.[0-9]{1,3})?$")
    recv_window_ms = float(window_text)
    if recv_window_ms > RECV_WINDOW_MAX_MS:
        raise Reject(-1131, "recvWindow must be less than 60000.")
    return timestamp_ms, recv_window_ms


def check_timing(timestamp_ms: float, recv_window_ms: float, now_ms: float) -> None:
    """Raise -1021 when the request is too old or too far ahead.

    Called twice: on arrival, and again just before the matching engine (binance-wire 1).
    """
    if timestamp_ms < OLDEST_MS or timestamp_ms > now_ms + AHEAD_ABSURD_MS:
        raise Reject(-1130, "Data sent for parameter 'timestamp' is not valid.")
    if timestamp_ms >= now_ms + AHEAD_MAX_MS:
        raise Reject(-1021, AHEAD_TEXT)
    if now_ms - timestamp_ms > recv_window_ms:
        raise Reject(-1021, LATE_TEXT)
