"""Simulations that are fitted to real data, and how a run keeps them."""
