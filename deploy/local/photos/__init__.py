"""Phone-like photos of invented products, with annotations, made from a seed.

`make demo`, the tests and the benches share this one generator, so that no picture of a real product and
no download is needed to see the whole service work.
"""
