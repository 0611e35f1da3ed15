//! A private network of real tors.
fn main() {}
