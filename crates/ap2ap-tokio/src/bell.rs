//! How handles tell the driver that a connection has something to do.

use std::collections::BTreeSet;
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;

/// A connection's number within its endpoint, never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ConnId(pub(crate) u64);

/// Who rang since the driver looked last. However often a connection rings, it costs one entry and
/// one wake.
///
/// Its lock is the innermost: nothing else is locked while it is held.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    rung: BTreeSet<ConnId>,
    endpoint_rung: bool,
    driver: Option<Waker>,
}

/// Who rang.
#[derive(Debug, Default)]
pub(crate) struct Rung {
    pub(crate) connections: BTreeSet<ConnId>,
    pub(crate) endpoint: bool,
}

impl Bell {
    /// A connection's handle changed something.
    pub(crate) fn ring(&self, id: ConnId) {
        let mut state = self.lock();
        if state.rung.insert(id) {
            wake(state);
        }
    }

    /// A handle of the endpoint changed something.
    pub(crate) fn ring_endpoint(&self) {
        let mut state = self.lock();
        if !mem::replace(&mut state.endpoint_rung, true) {
            wake(state);
        }
    }

    /// Takes who rang; the next ring wakes `driver`.
    pub(crate) fn answer(&self, driver: &Waker) -> Rung {
        let mut state = self.lock();
        match &mut state.driver {
            Some(waker) => waker.clone_from(driver),
            empty @ None => *empty = Some(driver.clone()),
        }
        Rung {
            connections: mem::take(&mut state.rung),
            endpoint: mem::take(&mut state.endpoint_rung),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wake(mut state: MutexGuard<'_, State>) {
    let driver = state.driver.take();
    drop(state);
    if let Some(driver) = driver {
        driver.wake();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn many_rings_make_one_wake_and_one_entry() {
        let (bell, count) = (Bell::default(), Arc::new(Count::default()));
        let waker = Waker::from(Arc::clone(&count));
        assert!(bell.answer(&waker).connections.is_empty());
        for _ in 0..10 {
            bell.ring(ConnId(1));
            bell.ring(ConnId(2));
            bell.ring_endpoint();
        }
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        let rung = bell.answer(&waker);
        assert_eq!(rung.connections.len(), 2);
        assert!(rung.endpoint);
        bell.ring(ConnId(1));
        assert_eq!(count.0.load(Ordering::Relaxed), 2);
    }
}
