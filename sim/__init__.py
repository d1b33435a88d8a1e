"""The rehearsal: the real engine, strategy and order book manager in virtual time, against a faulty venue and an oracle."""
