"""The ways in, and what a browser sees: WebSocket, SSE, HTTP, SDK routes, tracking links, dashboard."""
