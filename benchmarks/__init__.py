"""How fast the engines are, as ratios to a plain training loop: `python benchmarks/speed.py --help`."""
