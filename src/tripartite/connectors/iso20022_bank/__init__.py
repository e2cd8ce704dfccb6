"""Banks that speak ISO 20022: pain.001 to the bank; pain.002, camt.054 and camt.053 from it."""
