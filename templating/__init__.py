"""Letters: layouts, sandbox, filters, links."""
