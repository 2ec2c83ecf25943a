"""Phone-like photos of invented products, genuine and forged, for the accuracy bench.

A brand is a family of artwork and shape with a seed: `can-2` is the second brand of `can`. What a method is
tuned on must not be what it is reported on, so the families are split: `medicine` and `can` are for tuning,
all others (`toy`, `leaflet-label`, `cosmetics`, `bottle`, `jar`, `plain`) for reporting.
`python -m bench.brands OUT` writes the photos.
"""
