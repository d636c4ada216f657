"""Head refits: what stage 2 trains on a frozen body, one a file."""
