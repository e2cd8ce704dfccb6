"""The payments component: proposals from posted items, two releases, payment files, what the bank answered."""
