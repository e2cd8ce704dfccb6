"""The payments component: proposals from posted items, two releases, payment files, what the bank answered.

Its place is kept: nothing here pays yet. Postings carry their payment block to the ERP, which pays by its own run.
"""
