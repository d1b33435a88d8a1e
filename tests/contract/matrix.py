"""docs/orders.md: the tables of what each venue can do and which way each change takes, printed from the classes and from trading.amend.

Run: python -m tests.contract.matrix (writes the tables into the file). test_matrix.py compares. Never: a hand-written cell.
"""

from pathlib import Path

from core.ports import Capabilities
from exchange.binance.venue import BinanceVenue
from exchange.binance.ws_api import WsVenue
from sim.venue import SimVenue
from tests.contract.simulated import SimulatedVenue
from trading.amend import ROUTES

DOC = Path(__file__).parents[2] / "docs" / "orders.md"
VENUES = {
    "binance, order_entry rest": BinanceVenue.capabilities,
    "binance, order_entry ws": WsVenue.capabilities,
    "sim": SimVenue.capabilities,
    "simulated (tests)": SimulatedVenue.capabilities,
}


def capabilities() -> str:
    """One row per ability, one column per class."""
    lines = [f"| ability | {' | '.join(VENUES)} |", "|---" * (len(VENUES) + 1) + "|"]
    for name in Capabilities.__struct_fields__:
        lines.append(f"| `{name}` | {' | '.join('yes' if getattr(can, name) else '-' for can in VENUES.values())} |")
    return "\n".join(lines)


def routes() -> str:
    """The rows of ROUTES in their order; the first that fits is taken."""
    lines = ["| change | needs | way | queue place |", "|---|---|---|---|"]
    for row in ROUTES:
        needs = ", ".join(f"`{name}`" for name in row.needs) or "-"
        lines.append(f"| {row.change.value} | {needs} | `{row.routing.value}` | {'kept' if row.queue_kept else 'lost'} |")
    return "\n".join(lines)


def filled(text: str) -> str:
    """The document with both tables as they are now."""
    for name, table in (("capabilities", capabilities()), ("routes", routes())):
        begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
        head, _, rest = text.partition(begin)
        _, _, tail = rest.partition(end)
        text = f"{head}{begin}\n{table}\n{end}{tail}"
    return text


if __name__ == "__main__":
    DOC.write_text(filled(DOC.read_text()))
