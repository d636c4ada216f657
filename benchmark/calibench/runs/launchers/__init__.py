"""Launchers run the configurations of one command, one launcher a file. Each yields one `Finished` run after another."""
