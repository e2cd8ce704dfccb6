"""Paying: what is proposed, who may release it, what the bank's words make of it. All of it computed from values.

life.py        the states of a payment, and which may follow which
proposing.py   posted items that are due -> payments and their numbers
standing.py    everything the bank ever said of an order -> where each of its payments stands
"""
