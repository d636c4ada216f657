"""Launchers: what runs the configurations of one command, one launcher a file. Each yields a `Finished` run after another."""
