"""The kernel: the OCPI protocol and how messages travel in, out and through."""
