"""The hub: how messages between parties travel through it."""
