//! Which controller a connection's paths have, and how one is made for each.

use std::fmt;
use std::sync::Arc;

use super::Controller;
use super::new_reno::NewReno;
use super::relay_rate::RelayRate;
use crate::path_memory::PathMemory;

/// Which controller the paths of a connection have: see [`Config::congestion`](crate::Config). The two ends of
/// a connection choose for what they send, and need not agree.
#[derive(Clone, Default)]
#[non_exhaustive]
pub enum Congestion {
    /// Paced at a rate learned from what a throttled relay delivers. What this crate is made for.
    #[default]
    RelayRate,
    /// The window of RFC 9002 section 7: the baseline to compare with. It takes every loss for congestion,
    /// and fills the relay's queue to find one.
    NewReno,
    /// Made by the caller.
    Custom(Arc<dyn ControllerFactory>),
}

impl Congestion {
    /// Controllers that `make` makes, one for each path.
    ///
    /// ```
    /// use ap2ap_stream::congestion::{Congestion, Controller};
    /// # fn choose<Mine: Controller + Default + 'static>() -> Congestion {
    /// Congestion::custom(|_memory| Box::new(Mine::default()))
    /// # }
    /// ```
    pub fn custom(
        make: impl Fn(Option<PathMemory>) -> Box<dyn Controller> + Send + Sync + 'static,
    ) -> Self {
        Self::Custom(Arc::new(make))
    }

    /// A controller of this kind, as a connection makes one for each path: to wrap in one's own, or to drive by itself.
    #[must_use]
    pub fn build(&self, memory: Option<PathMemory>) -> Box<dyn Controller> {
        match self {
            Self::RelayRate => Box::new(memory.map_or_else(RelayRate::new, RelayRate::recalling)),
            Self::NewReno => Box::new(NewReno::new()),
            Self::Custom(factory) => factory.build(memory),
        }
    }
}

/// Makes the controller of each path. A function from what is remembered of a path to a boxed controller is
/// one.
pub trait ControllerFactory: Send + Sync {
    /// The controller of a path that nothing was sent on yet; `memory` is what one before it had learned there.
    fn build(&self, memory: Option<PathMemory>) -> Box<dyn Controller>;
}

impl<F: Fn(Option<PathMemory>) -> Box<dyn Controller> + Send + Sync> ControllerFactory for F {
    fn build(&self, memory: Option<PathMemory>) -> Box<dyn Controller> {
        self(memory)
    }
}

impl fmt::Debug for Congestion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RelayRate => "RelayRate",
            Self::NewReno => "NewReno",
            Self::Custom(_) => "Custom(..)",
        })
    }
}

/// Two custom ones are equal if they are the same one.
impl PartialEq for Congestion {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::RelayRate, Self::RelayRate) | (Self::NewReno, Self::NewReno) => true,
            (Self::Custom(one), Self::Custom(other)) => Arc::ptr_eq(one, other),
            (Self::RelayRate | Self::NewReno | Self::Custom(_), _) => false,
        }
    }
}

impl Eq for Congestion {}

#[cfg(test)]
mod tests {
    use super::*;

    fn custom() -> Congestion {
        Congestion::custom(|_| Box::new(NewReno::new()))
    }

    #[test]
    fn a_custom_choice_equals_its_copies_and_no_other() {
        let one = custom();
        assert_eq!(one, one.clone());
        assert_ne!(one, custom());
        assert_ne!(one, Congestion::NewReno);
        assert_eq!(Congestion::default(), Congestion::RelayRate);
    }
}
