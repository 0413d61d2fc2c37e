"""Reading the ledger: figures for the dashboard."""
