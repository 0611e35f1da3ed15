//! Octets as NUL-free, blank-free UTF-8 text and back, at seven bits per octet.
