"""Clients that others wrote, unmodified, against the paper exchange: what they cannot do there they could not do there either way.

    python -m benchmarks.strangers [--folder FOLDER] [--only NAME]

Installs ccxt and binance-connector (pip) and @binance/spot, binance, binance-api-node and node-binance-api (npm) into FOLDER
(/tmp/greenlight-strangers), never beside the bot's own libraries; the second run needs no network. Each client has an exchange and a process of its
own (strangers_ccxt.py, strangers_connector.py, strangers.js). Ends with 1 where a check failed. Two minutes, most of it waiting for streams.
tests/contract holds python-binance, binance-sdk-spot and websocket-client, on every run of the tests.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

from Crypto.PublicKey import ECC

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
PIP = {"ccxt": ("strangers_ccxt.py", "ccxt>=4.5,<5"), "binance-connector": ("strangers_connector.py", "binance-connector>=3.12,<4")}
NPM = {"@binance/spot": "32", "binance": "3", "binance-api-node": "0.13", "node-binance-api": "1"}
SIGNS_WITH_KEY = "binance"  # an Ed25519 key, so that session.logon is judged too
CLIENT_S_MAX, INSTALL_S_MAX = 120, 600


def installed(folder: Path, name: str) -> Path:
    """Where this client is; made where it is not. Raises CalledProcessError."""
    if name in PIP:
        place = folder / name
        if not place.exists():
            subprocess.run([sys.executable, "-m", "pip", "install", "-q", "--target", str(place), PIP[name][1]], check=True, timeout=INSTALL_S_MAX)
        return place
    place = folder / "npm"
    if not (place / "node_modules" / name).exists():
        place.mkdir(parents=True, exist_ok=True)
        wanted = [f"{package}@{version}" for package, version in NPM.items()]
        command = ["npm", "install", "--no-audit", "--no-fund", "--silent", "--prefix", str(place), *wanted]
        subprocess.run(command, check=True, timeout=INSTALL_S_MAX)
    return place


def run(folder: Path, name: str) -> list[tuple[str, str]]:
    """(check, what was wrong) of one client against an exchange of its own."""
    place = installed(folder, name)
    private, public = folder / "key.pem", folder / "public.pem"
    more: list[str] = []
    if name == SIGNS_WITH_KEY:
        key = ECC.generate(curve="Ed25519")
        private.write_text(key.export_key(format="PEM"))
        public.write_text(key.public_key().export_key(format="PEM"))
        more = ["--public-key", str(public)]
    arguments = ["--balances", "USDT=1000000,BTC=10,ETH=100", "--seed", "11", *more]
    exchange = subprocess.Popen(
        [sys.executable, "-m", "exchange.paper", *arguments], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert exchange.stdin is not None and exchange.stdout is not None
    try:
        ready = exchange.stdout.readline().strip()
        command = [sys.executable, str(HERE / PIP[name][0]), ready] if name in PIP else ["node", str(HERE / "strangers.js"), ready, name]
        if name == SIGNS_WITH_KEY:
            command.append(str(private))
        environment = {**os.environ, "PYTHONPATH": str(place)}
        told = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, timeout=CLIENT_S_MAX)
    finally:
        exchange.stdin.close()
        exchange.wait(10)
    lines = [json.loads(line) for line in told.stdout.splitlines() if line.startswith("{")]
    found = [(line["check"], line["error"]) for line in lines]
    if told.returncode or not found:
        found.append(("the client itself", (told.stderr or told.stdout)[-400:]))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("/tmp/greenlight-strangers"))
    parser.add_argument("--only", choices=[*PIP, *NPM])
    given = parser.parse_args()
    failed = 0
    for name in [given.only] if given.only else [*PIP, *NPM]:
        found = run(given.folder, name)
        wrong = [(check, error) for check, error in found if error]
        failed += len(wrong)
        print(f"{name:<20} {len(found) - len(wrong):>3} of {len(found)} checks")
        for check, error in wrong:
            print(f"    {check}: {error}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
