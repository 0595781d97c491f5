"""The machine: hosts, compilation, threads of linear algebra, work that Ctrl-C can interrupt."""
