"""A changed site over the recorded past, beside the one that was there: who would have been sent what, and who not."""
