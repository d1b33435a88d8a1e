"""The paper exchange: Binance spot's protocol on loopback over a pure price-time matching engine."""
