"""Pure core: values, codecs and state machines. Standard library only, no I/O, no clock, no event loop."""
