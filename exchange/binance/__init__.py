"""Binance spot as a client: parsing, signed REST, market streams, the user stream. bot.py builds the parts; see DESIGN 5."""
