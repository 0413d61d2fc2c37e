"""Changes the code a little, at random, and looks whether a test notices: `make mutants`."""
