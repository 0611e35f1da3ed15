//! The skypeproxy command: parses, composes, runs, and turns the outcome into an exit code.

fn main() {}
