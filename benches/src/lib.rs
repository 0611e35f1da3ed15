//! What the benches share: the workload, and the relays it runs over.
