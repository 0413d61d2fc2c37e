"""What survives: the contract (`interface.py`) and its keepers (`sqlite.py`, `memory.py`), held to one suite."""
