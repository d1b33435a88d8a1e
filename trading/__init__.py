"""The room of ideas: bands, quoting, risk. Pure; stands on core only."""
