"""The store after a reset of the venue: the earlier instance's orders are closed, everybody else's are left alone."""

from pathlib import Path

from sqlalchemy import create_engine, select

from core.orders import Evidence
from state.rows import OrderRow, Rows
from state.schema import orders
from state.store import Store


def test_earlier_instances_are_closed(tmp_path: Path) -> None:
    """Orders of 7 and 7.2 end with the evidence of the reset when 7.3 begins; those of 7.3, of 8 and of another venue stay open."""
    store = Store(tmp_path / "store.db")
    store.open()
    rows = Rows()
    scopes = ("paper/7", "paper/7.2", "paper/7.3", "paper/8", "binance/7")
    for scope in scopes:
        rows.orders[scope, "x"] = OrderRow(
            venue_instance=scope, client_order_id="x", boot="b", last_boot="b", symbol="BTCUSDT", side="BUY", price="1", quantity="1"
        )
    store.write(rows)
    store.close_instances_before("paper/7.3", Evidence.RESET)
    with create_engine(f"sqlite:///{store.path}").connect() as connection:
        rows_found = connection.execute(select(orders.c.venue_instance, orders.c.is_open)).all()
    store.close()
    assert dict(map(tuple, rows_found)) == {"paper/7": False, "paper/7.2": False, "paper/7.3": True, "paper/8": True, "binance/7": True}
