"""The jobs behind the commands: train, evaluate, predict, inspect."""
