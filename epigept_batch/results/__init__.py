"""What finished runs left in a folder: samples, tracks and contact maps, for everything that shows them."""
