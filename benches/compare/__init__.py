"""The parts of the comparison, each of one thing; `run` is the entrance.

Imports go one way: `paths` below all; `machine`, `results` and `plots`; `install`; `servers`; `works`; `faults` and `measure`;
`aims`; `report`; `options`; `main` above all.
"""
