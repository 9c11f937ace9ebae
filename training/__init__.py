"""Retraining and evaluation; imports `stance`, and nothing in `stance` imports it."""
