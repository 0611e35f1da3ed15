//! The carrier over plain UDP: for tests, direct paths and as the simplest example of a carrier.
