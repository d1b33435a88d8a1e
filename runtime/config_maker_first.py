"""The settings of the maker-first trader: how it enters, leaves, and what its built-in signal looks for.

Who uses it: runtime.config_model. Frozen. Thread: any. Never: a default that differs from trading.entry, trading.exits, trading.signals.
"""

from decimal import Decimal

from runtime.config_fields import Section, section, setting
from runtime.config_values import Exact, Truth, Whole

BPS_MAX = 10_000


class EntryConfig(Section):
    quote_amount: Exact = setting(Decimal(200), "quote", "What one entry buys or sells.", gt=0)
    lots_max: Whole = setting(5, "lots", "A side with this many lots enters no more.", ge=1, le=200)
    offset_bps: Exact = setting(
        Decimal(0), "bps", "Distance of an entry from its own side's best price; below 0 it improves on it.", ge=-1000, le=1000
    )
    offset_per_spread: Exact = setting(Decimal(0), "bps per bps", "Added to the distance for each bps of spread.", ge=-10, le=10)
    offset_per_vol: Exact = setting(Decimal(0), "bps per bps", "Added to the distance for each bps of volatility.", ge=-10, le=10)
    deadline_ms: Whole = setting(2000, "ms", "A maker entry that is not filled by then is over.", ge=100, le=3_600_000)
    reprice: Truth = setting(True, "", "false leaves an entry where it was placed.")
    chase_bps_max: Exact = setting(
        Decimal("0.5"), "bps", "An entry follows the price this far from the mid at its decision, and no further; 0 for no bound.", ge=0, le=1000
    )
    reprice_ms: Whole = setting(400, "ms", "An entry follows the price this often, at most.", ge=50, le=60_000)
    reprice_budget_share: Exact = setting(
        Decimal("0.3"), "part of the order budget", "Entries and exits that follow the price use at most this; the interval stretches.", gt=0, le=1
    )
    rest_ms: Whole = setting(2000, "ms", "A side rests this long after an entry.", ge=0, le=3_600_000)
    fallback: Truth = setting(True, "", "After a timeout the market may be taken, on a later tick on which every gate passes again.")
    recheck_ms_max: Whole = setting(30_000, "ms", "An older timeout is not thought over any more.", ge=0, le=86_400_000)
    slippage_bps_max: Exact = setting(
        Decimal(3), "bps", "The market is taken at most this far from the touch and from the last trade.", ge=0, le=1000
    )
    fee_bps: Exact = setting(
        Decimal(10), "bps", "Taker fee at a real venue, reserved on purchases; the paper exchange has paper.taker_fee.", ge=0, le=1000
    )
    take_profit_bps: Exact = setting(
        Decimal(8), "bps", "Take-profit of a lot, above its price (BUY) or below it (SELL); 0 for none.", ge=0, le=BPS_MAX
    )


class ExitConfig(Section):
    stop_loss_bps: Exact = setting(Decimal(30), "bps", "A lot that has lost this much is left; 0 for never.", ge=0, le=BPS_MAX)
    trail_from_bps: Exact = setting(Decimal(6), "bps", "The trailing stop is active once a lot has gained this much.", ge=0, le=BPS_MAX)
    trail_bps: Exact = setting(Decimal(4), "bps", "It leaves this far below the best price since then; 0 switches it off.", ge=0, le=BPS_MAX)
    time_limit_s: Whole = setting(120, "s", "An older lot is left; 0 for never.", ge=0, le=31_536_000)
    runner: Truth = setting(True, "", "The oldest lot of a side has no take-profit: its trailing stop carries it.")
    share: Exact = setting(Decimal("0.5"), "part of the lot", "What one take-profit leaves, of what the lot was given.", gt=0, le=1)
    deadline_ms: Whole = setting(4000, "ms", "An exit is tried as a maker this long, then at the market.", ge=0, le=3_600_000)
    stop_deadline_ms: Whole = setting(500, "ms", "The same for stop-loss and trailing stop.", ge=0, le=3_600_000)
    reprice_ms: Whole = setting(400, "ms", "An exit follows the price this often, at most.", ge=50, le=60_000)
    slippage_bps_max: Exact = setting(Decimal(20), "bps", "An exit takes at most this far from the touch and from the last trade.", ge=0, le=1000)


class SignalConfig(Section):
    sample_ms: Whole = setting(250, "ms", "The price is looked at this often.", ge=10, le=3_600_000)
    fast_s: Exact = setting(Decimal(5), "s", "Time of the fast average.", gt=0, le=86_400)
    slow_s: Exact = setting(Decimal(20), "s", "Time of the slow average, and of the warm-up.", gt=0, le=86_400)
    trend_bps_min: Exact = setting(Decimal("0.5"), "bps", "The averages must be this far apart.", ge=0, le=BPS_MAX)
    vol_bps_min: Exact = setting(Decimal(0), "bps", "Least volatility (mean move per sample).", ge=0, le=BPS_MAX)
    vol_bps_max: Exact = setting(Decimal(20), "bps", "Most volatility.", gt=0, le=BPS_MAX)


class MakerFirstConfig(Section):
    entry: EntryConfig = section(EntryConfig, "How positions are taken.")
    exits: ExitConfig = section(ExitConfig, "How they are left.")
    signal: SignalConfig = section(SignalConfig, "When: a cross of two averages with gates of trend and volatility.")
