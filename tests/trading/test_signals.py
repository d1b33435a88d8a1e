"""trading/signals.py: the built-in signal asks for the side the fast average has crossed to, and for nothing outside its gates."""

from decimal import Decimal

from msgspec.structs import replace

from core.types import Side
from trading.signals import EwmaCross, EwmaSettings, Reading

D = Decimal
S = 1_000_000_000
SETTINGS = EwmaSettings(sample_ms=250, fast_s=D(1), slow_s=D(4), trend_bps_min=D(1), vol_bps_min=D(0), vol_bps_max=D(50))


def fed(prices: list[str], settings: EwmaSettings = SETTINGS) -> tuple[EwmaCross, Reading]:
    """One price every 250 ms; the last reading."""
    signal = EwmaCross(settings)
    reading = Reading(side=None, reason="")
    for number, price in enumerate(prices):
        reading = signal.read("BTCUSDT", D(price), number * S // 4)
    return signal, reading


def test_it_says_nothing_before_it_is_warm() -> None:
    """However far the price runs, the slow average needs its time first."""
    assert fed(["100"] * 4 + ["101"] * 8)[1].reason == "the signal warms up for another 1 s"


def test_a_rise_asks_for_buy_and_a_fall_for_sell() -> None:
    """The side is that of the fast average, once it is the trend's minimum away from the slow one."""
    assert fed(["100"] * 17 + ["100.2"] * 3)[1].side is Side.BUY
    assert fed(["100"] * 17 + ["99.8"] * 3)[1].side is Side.SELL


def test_a_trend_below_its_gate_asks_for_nothing() -> None:
    """A tenth of a basis point is no trend."""
    reading = fed(["100"] * 17 + ["100.001"] * 3)[1]
    assert (reading.side, "below its gate" in reading.reason) == (None, True)


def test_volatility_outside_its_gate_asks_for_nothing() -> None:
    """Too wild and too calm are both refused, by name."""
    wild = replace(SETTINGS, vol_bps_max=D(1))
    calm = replace(SETTINGS, vol_bps_min=D(30))
    for settings in (wild, calm):
        reading = fed(["100"] * 17 + ["100.5", "99.5", "100.6"], settings)[1]
        assert (reading.side, "outside its gate" in reading.reason) == (None, True)


def test_a_single_move_is_volatility_once() -> None:
    """One jump of 100 bps, then ten seconds of rest: the volatility has come down, and the gate that the jump shut opens again."""
    jumped, rested = fed(["100"] * 17 + ["101"])[1], fed(["100"] * 17 + ["101"] * 40)[1]
    assert jumped.vol_bps > 5 and rested.vol_bps < 1


def test_between_two_samples_nothing_changes() -> None:
    """A burst of ticks within one sample counts once, as its last price at the next sample."""
    signal, before = fed(["100"] * 17 + ["100.2"])
    assert signal.read("BTCUSDT", D(90), 17 * S // 4 + 1000) == before


def test_it_goes_on_from_what_it_saved() -> None:
    """A copy that loads what was saved reads the same from then on."""
    signal, _ = fed(["100"] * 17 + ["100.2"] * 3)
    copy = EwmaCross(SETTINGS)
    copy.load(signal.save())
    assert copy.read("BTCUSDT", D("100.1"), 30 * S // 4) == signal.read("BTCUSDT", D("100.1"), 30 * S // 4)


def test_each_symbol_has_its_own_averages() -> None:
    """One that rises beside one that stands still: BUY for the one, nothing for the other."""
    signal, readings = EwmaCross(SETTINGS), {}
    for number, price in enumerate(["100"] * 17 + ["100.2"] * 3):
        for symbol, at in (("BTCUSDT", price), ("ETHUSDT", "3000")):
            readings[symbol] = signal.read(symbol, D(at), number * S // 4).side
    assert readings == {"BTCUSDT": Side.BUY, "ETHUSDT": None}
