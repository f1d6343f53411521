"""Complete runs, a module for each command: they pick what runs are made of.

`fitting/` alone measures, as what it fits is a command's own options.
"""
