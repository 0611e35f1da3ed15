//! Throttled relays as a model in virtual time: links of composable elements, and a driver for two nodes.
