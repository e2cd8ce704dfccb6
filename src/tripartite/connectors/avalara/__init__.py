"""Avalara AvaTax (REST v2): tax quotes. Nothing is recorded or committed there."""
