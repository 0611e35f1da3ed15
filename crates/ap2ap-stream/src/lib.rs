//! Ordered, encrypted streams over lossy, throttled datagrams, as a sans-IO state machine.
