"""SHOWS: the page at http://127.0.0.1:8800, off by default (`dashboard.enabled`); with it off, nothing of this room is imported.

Who uses it: run.py builds and starts it and hands over what it may read. Never: an import of another room than core, a decision about orders.
"""
