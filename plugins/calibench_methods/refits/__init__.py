"""Head refits: the heads that stage 2 trains on a frozen body, one per file."""
