//! Ways to reach a Skype: each carries the same lines and knows nothing of their meaning.

pub mod unix;
