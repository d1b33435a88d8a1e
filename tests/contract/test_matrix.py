"""docs/orders.md shows the classes and the routes as they are."""

from tests.contract.matrix import DOC, filled


def test_the_tables_are_printed_from_the_code() -> None:
    """`python -m tests.contract.matrix` would change nothing."""
    assert filled(DOC.read_text()) == DOC.read_text()
