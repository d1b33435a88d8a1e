"""Signatures of WS API requests: HMAC-SHA256, Ed25519 or RSA over the sorted parameters.

Who calls it: ws_requests.py, on the reader thread and on lane threads (REST is signed by python-binance).
Never: the secret in an error, a log or a repr.
Source: binance-wire 1: all params except `signature`, sorted by name, `k=v` joined by `&`, without percent-encoding.
"""

import hashlib
import hmac
from base64 import b64encode
from collections.abc import Callable

from Crypto.Hash import SHA256
from Crypto.PublicKey import ECC, RSA
from Crypto.Signature import eddsa, pkcs1_15


class Signer:
    """Signs with the PEM `private_key` where one is given, else with the secret. ValueError where there is neither or the PEM is unreadable."""

    def __init__(self, api_key: str, api_secret: str, private_key: str = "") -> None:
        if not (api_secret or private_key):
            raise ValueError("an API secret or a private key is needed")
        self.api_key = api_key
        self._secret = api_secret.encode()
        self._ed25519: ECC.EccKey | None = None
        self._rsa: RSA.RsaKey | None = None
        if private_key:
            self._read_pem(private_key)

    def __repr__(self) -> str:
        return "Signer(***)"

    def _read_pem(self, text: str) -> None:
        """Not encrypted (there is nobody to ask for the password), and not another curve: signing would fail later."""
        for read in (ECC.import_key, RSA.import_key):
            try:
                key = read(text)
            except (ValueError, IndexError, TypeError):
                continue
            if isinstance(key, RSA.RsaKey) and key.has_private():
                self._rsa = key
            elif isinstance(key, ECC.EccKey) and key.has_private() and key.curve == "Ed25519":
                self._ed25519 = key
        if self._ed25519 is None and self._rsa is None:
            raise ValueError("the private key is neither an Ed25519 nor an RSA key, in a PEM file without a password")

    @property
    def can_log_on(self) -> bool:
        """session.logon takes Ed25519 keys only (binance-wire 6)."""
        return self._ed25519 is not None

    def keyed(self, beginning: str) -> Callable[[str], str]:
        """A signer of texts that all begin alike: with an HMAC key the beginning is digested once, not per request."""
        if self._ed25519 is not None or self._rsa is not None:
            return lambda rest: self.sign(beginning + rest)
        begun = hmac.new(self._secret, beginning.encode(), hashlib.sha256)

        def finish(rest: str) -> str:
            digest = begun.copy()
            digest.update(rest.encode())
            return digest.hexdigest()

        return finish

    def sign(self, payload: str) -> str:
        """Hex for HMAC, base64 for the others."""
        if self._ed25519 is not None:
            return b64encode(eddsa.new(self._ed25519, "rfc8032").sign(payload.encode())).decode()
        if self._rsa is not None:
            return b64encode(pkcs1_15.new(self._rsa).sign(SHA256.new(payload.encode()))).decode()
        return hmac.new(self._secret, payload.encode(), hashlib.sha256).hexdigest()
