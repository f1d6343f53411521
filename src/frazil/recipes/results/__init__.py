"""What runs and evaluations leave, and the classifiers by which that is judged."""
