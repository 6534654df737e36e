"""What models will score."""
