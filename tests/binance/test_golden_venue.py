"""The running bot against a venue that none of our own exchange's code is in: start, quotes, fills, a shutdown notice, moves, stop."""

from pathlib import Path

import pytest

from tests.binance.golden_venue import KEY, SECRET, GoldenVenue
from tests.drills.process import BotProcess

SETTINGS = (
    "venue=binance_testnet",
    "symbols=[BTCUSDT]",
    "quoting.maker_fee_bps=0",
    "quoting.cooldown_ms=50",
    "inventory.cap=0.5",
)


@pytest.mark.side_by_side
def test_the_bot_trades_at_a_venue_made_of_the_documents_messages(tmp_path: Path) -> None:
    """Every fill is booked, nothing is left at the venue, both proofs are equal, and no request was other than the document has it."""
    with GoldenVenue() as venue:
        places = {"rest": venue.http.url, "stream": venue.ws.url, "ws_api": f"{venue.ws.url}/ws-api/v3"}
        settings = [*SETTINGS, *(f"exchange.urls.{name}={url}" for name, url in places.items())]
        settings += [f"state.dir={tmp_path / 'state'}", f"log.dir={tmp_path / 'logs'}"]
        keys = {"GREENLIGHT_API_KEY": KEY, "GREENLIGHT_API_SECRET": SECRET}
        bot = BotProcess("--run-for=2.5", "--json", *(f"--set={setting}" for setting in settings), env=keys)
        code = bot.wait(30)
        told = "\n".join(bot.lines[-60:])
        assert code == 0, told
        result = bot.result()
        assert venue.complaints == [], told
        assert venue.open == [], told
    assert len(venue.trades) > 2 and result["fills"] == len(venue.trades), told
    assert venue.counts["POST order"] > 2 and venue.pongs > 4
    assert result["proof"]["equal"] and set(result["rejects"]) <= {"400/-2010"}, told  # a post-only price may be crossed on its way
