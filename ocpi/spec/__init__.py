"""OCPI 2.2.1's own types, a file per chapter, and how their documents are read and written."""
