"""A clinic of sick and healthy training runs, to see what the doctor finds, misses and heals."""
