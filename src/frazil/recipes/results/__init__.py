"""What runs and evaluations leave."""
