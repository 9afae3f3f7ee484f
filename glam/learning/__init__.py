"""One run: losses, draws, steps. With glam.models the only room that imports torch at once."""
