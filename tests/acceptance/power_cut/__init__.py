"""A power cut, played: what a store wrote is recorded, and images of the disk are made as the cut might leave it."""
