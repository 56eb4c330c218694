"""AgeTrans: a photograph in, the same person at any age out."""
