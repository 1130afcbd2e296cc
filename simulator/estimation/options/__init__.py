"""Models of options fitted to quotes: chains, smiles, surfaces and laws of the underlying."""
