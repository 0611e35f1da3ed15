//! The names of D-Bus, and what its answers mean: what any client needs, without a bus.

/// The bus name Skype owns.
pub const SERVICE: &str = "com.Skype.API";

/// Skype's object and its interface, whose method [`INVOKE`] takes a line and returns one.
pub const PATH: &str = "/com/Skype";
/// Of Skype's object. Skype4Py calls without one.
pub const INTERFACE: &str = "com.Skype.API";
/// `Invoke(s) -> s`
pub const INVOKE: &str = "Invoke";

/// The client's object, on its own connection: to be there before the first call, or what comes early is lost.
pub const CLIENT_PATH: &str = "/com/Skype/Client";
/// Of the client's object.
pub const CLIENT_INTERFACE: &str = "com.Skype.API.Client";
/// `Notify(s)`: a method call without an answer, not a signal.
pub const NOTIFY: &str = "Notify";

/// The bus's error for a call to a Skype that is not there.
pub const SERVICE_UNKNOWN: &str = "org.freedesktop.DBus.Error.ServiceUnknown";

/// What the return value of [`INVOKE`] is: an empty one means that the reply comes by [`NOTIFY`], under the same id.
///
/// ```
/// use skype_api::dbus::reply;
/// assert_eq!(reply("#1 PONG"), Some("#1 PONG"));
/// assert_eq!(reply(""), None);
/// ```
#[must_use]
pub const fn reply(returned: &str) -> Option<&str> {
    if returned.is_empty() { None } else { Some(returned) }
}

/// What a `NameOwnerChanged` signal says of Skype.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnerChange {
    /// It is there, or another one is: say NAME again, after a second.
    Came,
    /// It is gone.
    Went,
}

impl OwnerChange {
    /// Reads the signal's arguments; `None` when it is about somebody else.
    #[must_use]
    pub fn read(name: &str, _old_owner: &str, new_owner: &str) -> Option<Self> {
        let change = if new_owner.is_empty() { Self::Went } else { Self::Came };
        (name == SERVICE).then_some(change)
    }
}
