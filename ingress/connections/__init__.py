"""WebSockets, and streams to pages."""
