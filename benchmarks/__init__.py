"""Speed of the engines, as ratios to a plain training loop: `python benchmarks/speed.py --help`."""
