"""Inputs, the output folder, schemas, the ledger."""
