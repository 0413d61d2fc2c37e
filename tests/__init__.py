"""Tests. `unit/` needs nothing, `conformance/` real stores, `acceptance/` real processes, sockets and SMTP."""
