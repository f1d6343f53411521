"""What several commands do alike: run options, progress, the fit of a simulation, what evaluations leave."""
