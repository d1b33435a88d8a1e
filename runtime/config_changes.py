"""What another config.yaml means for a running bot: the differences by class, the settings that come of them, and why none are taken.

Who calls it: runtime.reload, on its own thread. Pure. The class of each setting stands beside it in runtime.config_model.
Never: a file; settings that were not judged as a whole; a size or limit beyond what the person allowed before.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from pydantic import BaseModel, ValidationError

from runtime.config import written
from runtime.config_errors import dotted
from runtime.config_fields import OTHERWISE, Change
from runtime.config_model import Config
from runtime.config_paths import settings_of
from runtime.config_source import KeyPath

CLASSES: dict[KeyPath, Change] = {one.path: one.change for one in settings_of()}
OFF = Decimal("Infinity")  # a limit that is switched off


@dataclass(frozen=True)
class Difference:
    path: KeyPath
    old: object
    new: object
    change: Change

    @property
    def words(self) -> str:
        old, new = ("unset" if value is None else written(value) for value in (self.old, self.new))
        return f"{dotted(self.path)} {old} -> {new}"


@dataclass(frozen=True)
class Verdict:
    """`config` is what is in force from now on: the new settings without what waits. With a fault nothing is taken."""

    config: Config
    live: Sequence[Difference] = ()
    waiting: Sequence[Difference] = ()
    faults: Sequence[str] = ()


def judge(old: Config, new: Config) -> Verdict:
    """`old` is in force; what grows too much is measured against it, by its own `reload.growth_max`."""
    found = list(differences(old, new))
    never = [f"{one.words} · never changes in a running bot: nothing of this file is taken" for one in found if one.change == "never"]
    if never:
        return Verdict(old, faults=never)
    waiting = [one for one in found if one.change == "restart"]
    try:
        config = _without(new, waiting)
    except ValidationError as error:
        said = "; ".join(f"{(one.get('ctx') or {}).get('at', dotted(one['loc']))} {one['msg']}" for one in error.errors(include_url=False))
        return Verdict(old, waiting=waiting, faults=[f"as long as {', '.join(dotted(one.path) for one in waiting)} waits for a restart: {said}"])
    faults = list(_too_much(old, config)) if old.reload.growth_max else []
    return Verdict(old if faults else config, [one for one in found if one.change == "live"], waiting, faults)


# -- differences -----------------------------------------------------------------------------------
def differences(old: Config, new: Config) -> Iterator[Difference]:
    """Setting by setting, bands one by one where a side has as many as before."""
    traded = set(old.symbols) & set(new.symbols)
    for path, before, after in _apart(old, new, ()):
        yield Difference(path, before, after, _class_of(path, traded))


def _class_of(path: KeyPath, traded: set[str]) -> Change:
    if path[:2] == ("quoting", "symbols") and len(path) > 2 and path[2] not in traded:
        return "restart"  # a symbol that comes or goes: `symbols` waits too
    return next((CLASSES[path[:length]] for length in range(len(path), 0, -1) if path[:length] in CLASSES), OTHERWISE)


def _apart(old: Any, new: Any, path: KeyPath) -> Iterator[tuple[KeyPath, object, object]]:
    if isinstance(old, BaseModel) and isinstance(new, BaseModel):
        for name in type(old).model_fields:
            yield from _apart(getattr(old, name), getattr(new, name), (*path, name))
    elif isinstance(old, dict) and isinstance(new, dict):
        for key in dict.fromkeys((*old, *new)):
            yield from _apart(old.get(key), new.get(key), (*path, key))
    elif _are_entries(old) and _are_entries(new) and len(old) == len(new):
        for index, (before, after) in enumerate(zip(old, new, strict=True)):
            yield from _apart(before, after, (*path, index))
    elif old != new:
        yield path, old, new


def _are_entries(value: object) -> bool:
    return isinstance(value, tuple) and all(isinstance(one, BaseModel) for one in value)


def _without(new: Config, waiting: Sequence[Difference]) -> Config:
    """The new settings, with the old value of each that waits; judged whole. Raises ValidationError."""
    data = new.model_dump(exclude_none=True)  # unset is the default of all that may be unset
    for one in waiting:
        holder: Any = data
        for part in one.path[:-1]:
            holder = holder[part]
        if one.old is None:
            del holder[one.path[-1]]
        else:
            holder[one.path[-1]] = one.old.model_dump(exclude_none=True) if isinstance(one.old, BaseModel) else one.old
    return Config.model_validate(data)


# -- what grows too much -----------------------------------------------------------------------------
def _too_much(old: Config, new: Config) -> Iterator[str]:
    times, before = old.reload.growth_max, sizes(old)
    how = f"beyond reload.growth_max {written(times)}: a restart takes it"
    for name, size in sizes(new).items():
        if size > before[name] * times:
            yield f"{name} {_size_words(before[name])} -> {_size_words(size)} is {how}"
    for symbol in new.symbols:
        name = f"{symbol} inventory.target"
        was, wanted = old.inventory_of(symbol), new.inventory_of(symbol)
        if was.target == wanted.target:
            continue
        if was.target == "start" or wanted.target == "start":
            yield f"{name} {written(was.target)} -> {written(wanted.target)} cannot be measured: a restart takes it"
        elif abs(wanted.target - was.target) > was.cap * times:
            yield f"{name} {written(was.target)} -> {written(wanted.target)} is further than {written(times)} caps: a restart takes it"


def sizes(config: Config) -> dict[str, Decimal]:
    """Whatever bounds how much may be bought or held, as it holds for each symbol."""
    risk, entry = config.risk, config.maker_first.entry
    found = {
        "risk.order_notional_max": risk.order_notional_max or OFF,
        "risk.open_orders_max": Decimal(risk.open_orders_max),
        "risk.loss_quote_max": risk.loss_quote_max or OFF,
        "maker_first.entry.quote_amount": entry.quote_amount,
        "maker_first.entry.lots_max": Decimal(entry.lots_max),
    }
    for symbol in config.symbols:
        own = config.quoting.symbols.get(symbol)
        for name in ("bid_bands", "ask_bands"):
            bands = getattr(own, name, None) or getattr(config.quoting, name)
            found[f"{symbol} quantity of all {name}"] = sum((band.quantity for band in bands), Decimal(0))
        found[f"{symbol} inventory.cap"] = config.inventory_of(symbol).cap
    return found


def _size_words(size: Decimal) -> str:
    return "off" if size == OFF else written(size)
