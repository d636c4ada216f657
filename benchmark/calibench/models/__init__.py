"""Networks with a body and a head, and the loop that trains them; `plugin` lists the built-in ones."""
