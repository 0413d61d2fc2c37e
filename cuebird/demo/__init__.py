"""`cuebird demo`: a shop, an inbox and the dashboard around a real engine, on one loopback port."""
