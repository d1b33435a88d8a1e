"""The store's schema as steps (Alembic). state.store runs them at start; nobody runs them by hand."""
