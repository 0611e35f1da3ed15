//! What is said on a tunnel stream before its payload: the target, and the answer.
