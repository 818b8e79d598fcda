"""Where the command `ocpi` begins: most of what a short command takes are its imports."""

import gc


def main() -> None:
    """Run the command line."""
    # What is imported stays: to look through it for garbage again and again takes a sixth of it.
    gc.disable()
    from ocpi.cli import main as run  # noqa: PLC0415 - Only now it costs less.

    gc.enable()
    run()
