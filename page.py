"""Builds the page of a run: what it may read of the bot, and which verbs its buttons are. One of the start scripts that know concrete classes.

Who makes it: run.py, on the main thread, where `dashboard.enabled`; nobody else imports it, so that a bot without the page carries nothing of it.
Never: a key or a secret in what it hands over; a call that could wait.
"""

import logging
from collections.abc import Callable, Mapping
from typing import TypeVar

from assembly import Session
from core.detail import Detail, detail
from core.engine import Engine
from core.money import plain
from core.types import SymbolRules
from dashboard.door import Tokens
from dashboard.server import Bot, PageServer
from dashboard.story import Story
from runtime.config import Config
from runtime.console import Console
from runtime.reload import Reload

T = TypeVar("T")
log = logging.getLogger("greenlight.page")


class Page:
    """`server` is the part to start."""

    def __init__(
        self,
        config: Config,
        session: Session,
        console: Console,
        rules: tuple[SymbolRules, ...],
        actions: Mapping[str, Callable[[], str]],
        reload: Reload,
        is_alive: Callable[[], bool],
    ) -> None:
        self._detail: Detail | None = None
        self._over_ws = config.exchange.order_entry == "ws"
        self._tokens, self._story, self._session, self._console = Tokens.drawn(), Story(), session, console
        bot = Bot(
            facts=facts_of(config, session, rules),
            settings=lambda: settings_of(reload, tuple(rule.symbol for rule in rules if rule.symbol in config.symbols)),
            snapshot=lambda: session.loop.snapshot,
            detail=lambda: self._detail,
            is_alive=is_alive,
            actions=actions,
        )
        self.server = PageServer(bot, self._story, self._tokens, config.dashboard.port)

    def listen(self) -> dict[str, object]:
        """Once `server` has started, and only then the bot tells it anything; returns what stands in run.json (0600)."""
        self._console.redact(self._tokens.act)
        self._console.on_line, self._console.on_notice = harmless(self._story.line), harmless(self._story.notice)
        self._session.loop.on_picture = harmless(self._take)
        return {"url": self.server.address, "token": self._tokens.read, "action_token": self._tokens.act}

    def _take(self, engine: Engine) -> None:
        """On the trading thread, beside each snapshot."""
        self._detail = detail(engine, self._over_ws)


def harmless(told: Callable[[T], None]) -> Callable[[T], None]:
    """A fault of the page costs the page: it is said once, and from then on the bot tells it nothing here."""
    broken = False

    def tell(what: T) -> None:
        nonlocal broken
        if not broken:
            try:
                told(what)
            except Exception:
                broken = True
                log.exception("the page is told no more by the bot: a fault of its own")

    return tell


def facts_of(config: Config, session: Session, rules: tuple[SymbolRules, ...]) -> dict[str, object]:
    """What does not change during a run."""
    symbols = {
        rule.symbol: {
            "base": rule.base,
            "quote": rule.quote,
            "tick": plain(rule.tick),
            "step": plain(rule.step),
        }
        for rule in rules
        if rule.symbol in config.symbols
    }
    return {"run": session.boot, "venue": config.venue, "strategy": config.strategy, "tag": session.tag, "symbols": symbols}


def settings_of(reload: Reload, symbols: tuple[str, ...]) -> dict[str, object]:
    """What may change during a run: the version in force, what waits for a restart, and the caps of a market maker."""
    config, shown = reload.loaded.config, reload.shown
    caps = {symbol: plain(config.inventory_of(symbol).cap) for symbol in symbols} if config.strategy == "market_maker" else {}
    return {"version": shown.version, "waiting": shown.waiting, "faults": shown.faults, "caps": caps}
