"""Fast tests of the comparison's own parts: `python3 -m unittest discover -s benches/compare -t benches`."""
