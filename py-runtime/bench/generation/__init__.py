"""The parts of `bench/generate.py`: work, models, contenders, rooflines, the report."""
