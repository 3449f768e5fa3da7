"""The networks that netgen knows by name, one module per family; each is a function of typed arguments."""

if __name__ != "netgen.nets":
    raise ImportError("this package is netgen.nets: import netgen.nets instead of nets")

MODULES = {
    "peleenet": "peleenet",
}
"""The module, here, that holds the function of each network's name."""
