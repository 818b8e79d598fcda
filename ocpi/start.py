"""Where the command `ocpi` begins: most of what a short command takes are its imports."""

import gc


def main() -> None:
    """Run the command line."""
    # What is imported stays: to look through it for garbage again and again takes a sixth of it.
    gc.disable()
    from ocpi.cli import main as run  # noqa: PLC0415 - Only now it costs less.

    gc.enable()
    # Requests under way are not garbage: with hundreds of them it took a tenth of the processor to
    # find that out after every 700 new objects.
    gc.set_threshold(10_000)
    run()
