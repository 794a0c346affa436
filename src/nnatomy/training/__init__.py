"""The training loop, its rules, and everything that keeps a run safe."""
