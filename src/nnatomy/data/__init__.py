"""What the user has, checked and typed, turned into tensors and back."""
