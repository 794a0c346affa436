"""Networks with a learning rule of their own."""
