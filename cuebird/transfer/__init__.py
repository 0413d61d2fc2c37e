"""Events and databases brought in and taken out: import, backup, restore."""
