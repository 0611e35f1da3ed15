//! Paths that wait for a stream: Skype is asked for one at a time and user.

use std::collections::{BTreeMap, VecDeque};

use carrier::CarrierPath;
use skype_api::UserHandle;
use skype_api::session::CONNECTS_MAX;

/// Paths being opened at one time: what a session takes if each is to another user.
pub const OPENS_MAX: usize = CONNECTS_MAX;

/// Who is being called, and which paths the answers are for.
#[derive(Debug, Default)]
pub(crate) struct Dials {
    users: BTreeMap<UserHandle, Dial>,
}

#[derive(Debug)]
struct Dial {
    state: State,
    /// Empty only while Skype's answer is no longer wanted.
    waiting: VecDeque<CarrierPath>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Skype is to be asked as soon as it takes a command.
    Due,
    /// Skype was asked.
    Asked,
}

/// Whom a new stream is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// This path.
    By(CarrierPath),
    /// A path that was closed meanwhile.
    NoLonger,
    /// We did not call: the peer did.
    Never,
}

impl Dials {
    /// False when there is no room for one more.
    pub(crate) fn add(&mut self, user: UserHandle, path: CarrierPath) -> bool {
        if self.len() >= OPENS_MAX {
            return false;
        }
        let dial = Dial { state: State::Due, waiting: VecDeque::new() };
        self.users.entry(user).or_insert(dial).waiting.push_back(path);
        true
    }

    /// Forgets a path. What Skype was asked cannot be taken back.
    pub(crate) fn cancel(&mut self, user: UserHandle, path: CarrierPath) {
        let Some(dial) = self.users.get_mut(&user) else { return };
        dial.waiting.retain(|waiting| *waiting != path);
        if dial.waiting.is_empty() && dial.state == State::Due {
            self.users.remove(&user);
        }
    }

    /// Somebody whom Skype is to be asked for.
    pub(crate) fn due(&self) -> Option<UserHandle> {
        self.users.iter().find(|(_, dial)| dial.state == State::Due).map(|(&user, _)| user)
    }

    pub(crate) fn asked(&mut self, user: UserHandle) {
        if let Some(dial) = self.users.get_mut(&user) {
            dial.state = State::Asked;
        }
    }

    /// A stream to `user` is there.
    pub(crate) fn answered(&mut self, user: UserHandle) -> Wanted {
        let Some(dial) = self.users.get_mut(&user) else { return Wanted::Never };
        let path = dial.waiting.pop_front();
        dial.state = State::Due;
        if dial.waiting.is_empty() {
            self.users.remove(&user);
        }
        path.map_or(Wanted::NoLonger, Wanted::By)
    }

    /// There is no way to `user`; none of its paths need try again.
    pub(crate) fn failed(&mut self, user: UserHandle) -> VecDeque<CarrierPath> {
        self.users.remove(&user).map(|dial| dial.waiting).unwrap_or_default()
    }

    pub(crate) fn clear(&mut self) {
        self.users.clear();
    }

    fn len(&self) -> usize {
        self.users.values().map(|dial| dial.waiting.len().max(1)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: CarrierPath = CarrierPath(1);
    const TWO: CarrierPath = CarrierPath(2);

    fn bob() -> UserHandle {
        "bob".parse().unwrap()
    }

    #[test]
    fn asks_again_for_the_second_path_to_one_user() {
        let mut dials = Dials::default();
        assert!(dials.add(bob(), ONE) && dials.add(bob(), TWO));
        assert_eq!(dials.due(), Some(bob()));
        dials.asked(bob());
        assert_eq!(dials.due(), None);
        assert_eq!(dials.answered(bob()), Wanted::By(ONE));
        assert_eq!(dials.due(), Some(bob()));
        dials.asked(bob());
        assert_eq!(dials.answered(bob()), Wanted::By(TWO));
        assert_eq!(dials.answered(bob()), Wanted::Never);
        assert_eq!(dials.due(), None);
    }

    #[test]
    fn remembers_a_call_that_is_no_longer_wanted_until_it_is_answered() {
        let mut dials = Dials::default();
        assert!(dials.add(bob(), ONE));
        dials.asked(bob());
        dials.cancel(bob(), ONE);
        assert_eq!(dials.answered(bob()), Wanted::NoLonger);
        assert!(dials.add(bob(), ONE));
        dials.cancel(bob(), ONE);
        assert_eq!((dials.due(), dials.answered(bob())), (None, Wanted::Never));
    }

    #[test]
    fn refuses_more_than_a_session_takes() {
        let mut dials = Dials::default();
        for number in 0..OPENS_MAX {
            let user = format!("user{}", number / 2).parse().unwrap();
            assert!(dials.add(user, CarrierPath(0)));
        }
        assert!(!dials.add(bob(), ONE));
    }
}
