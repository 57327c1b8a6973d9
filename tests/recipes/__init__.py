"""The pages in docs/recipes: their files, run by the programs that they are for."""
