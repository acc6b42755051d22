"""Published settings as data: what several files in configs/ share and a reader looks up by name.

A config's own numbers are in the body of its file, not here.
"""
