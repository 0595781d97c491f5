"""The machine: hosts, compilation, work that Ctrl-C can interrupt."""
