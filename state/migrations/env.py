"""Alembic's environment: the steps run on the connection that state.store hands over, inside its transaction.

Who loads it: alembic.command, called by state.store at start, on the main thread (at a rebuild: the recorder thread).
Never: a connection of its own, a configuration file.
"""

from alembic import context

from state.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
