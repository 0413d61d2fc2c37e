"""Letters: front matter, sandbox, filters, links."""
