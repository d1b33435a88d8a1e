"""The talking room: one folder per venue; all network I/O lives here."""
