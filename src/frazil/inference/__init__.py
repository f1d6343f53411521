"""What is inferred for each image, shared by several methods."""
