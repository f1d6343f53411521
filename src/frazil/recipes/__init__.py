"""Complete runs, a module for each command: they pick what runs are made of, they do not implement it."""
