"""The real parts that tests run on, and helpers to wait for them."""
