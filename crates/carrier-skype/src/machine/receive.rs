//! What a machine makes of its session's events: paths go up and down.

use carrier::{Caps, CarrierEvent, CarrierPath, Delivery, DownReason, Route};
use skype_api::{Event, StreamRef, UserHandle};
use tracing::{debug, info, trace};

use super::{IDLE_MAX, Machine, PAYLOAD_MAX, SCHEME};
use crate::counters::count;
use crate::dials::Wanted;
use crate::error::End;
use crate::paths::Leg;

impl Machine {
    pub(super) fn handle_event(&mut self, event: Event) {
        match event {
            Event::Attached => {
                info!("attached to Skype");
                self.just_attached = true;
            }
            Event::Detached => {
                info!("detached from Skype, which has nobody logged in or lost the application");
                self.lose_paths();
            }
            Event::Offline => info!("Skype has no network"),
            Event::Online => info!("Skype has its network again"),
            Event::Refused(refusal) => self.handle_end(End::Refused(refusal)),
            Event::StreamUp(stream) if self.just_attached => self.hang_up_leftover(stream),
            Event::StreamUp(stream) => self.stream_up(stream),
            Event::StreamDown(stream) => {
                self.unwanted.remove(&stream);
                if let Some(path) = self.paths.path(stream) {
                    self.path_down(path, self.down_reason(DownReason::ClosedByPeer));
                }
            }
            Event::ConnectFailed(user) => {
                self.fail(user, self.down_reason(DownReason::Unreachable));
            }
            Event::Datagram { stream, text } => match self.paths.path(stream) {
                Some(path) => self.inbox.push_datagram(path, text),
                None => {
                    trace!(cause = "no path", "datagram dropped");
                    count(&mut self.counters.stray);
                }
            },
            // The session's events may grow in number; what this carrier does not know, it needs not.
            _ => trace!("event of an unknown kind"),
        }
    }

    /// Skype keeps a program's streams when the program is gone. Whoever is at the other end talks
    /// to one that has died: a hang-up tells it so at once, where silence would take half a minute.
    fn hang_up_leftover(&mut self, stream: StreamRef) {
        trace!("a stream of an earlier run is hung up");
        self.unwanted.insert(stream);
    }

    fn stream_up(&mut self, stream: StreamRef) {
        match self.dials.answered(stream.user) {
            Wanted::By(path) => self.path_up(path, stream),
            Wanted::NoLonger => {
                self.unwanted.insert(stream);
            }
            Wanted::Never => self.offer(stream),
        }
    }

    fn offer(&mut self, stream: StreamRef) {
        // A login has one spelling here, so that two of its streams have one peer.
        let login = stream.user.as_str().to_ascii_lowercase();
        let peer = format!("{SCHEME}:{login}").parse();
        let (Ok(peer), Some(path)) = (peer, self.paths.add(Leg::Offered(stream))) else {
            debug!("stream refused, no room for another path");
            count(&mut self.counters.no_room);
            self.unwanted.insert(stream);
            return;
        };
        debug!(path = path.0, "path offered");
        self.inbox.push(CarrierEvent::Incoming { path, peer });
    }

    pub(super) fn path_up(&mut self, path: CarrierPath, stream: StreamRef) {
        debug!(path = path.0, "path up");
        self.paths.set(path, Leg::Up(stream));
        self.inbox.push(CarrierEvent::Up { path, caps: CAPS });
    }

    fn path_down(&mut self, path: CarrierPath, reason: DownReason) {
        debug!(path = path.0, ?reason, "path down");
        self.paths.remove(path);
        self.blocked.remove(&path);
        self.inbox.push(CarrierEvent::Down { path, reason });
    }

    pub(super) fn fail(&mut self, user: UserHandle, reason: DownReason) {
        for path in self.dials.failed(user) {
            self.path_down(path, reason);
        }
    }

    pub(super) fn lose_paths(&mut self) {
        self.dials.clear();
        for path in self.paths.clear() {
            self.path_down(path, DownReason::CarrierLost);
        }
    }

    /// A session that falls back takes everything down, and that is nobody else's fault.
    fn down_reason(&self, while_attached: DownReason) -> DownReason {
        if self.session.is_attached() { while_attached } else { DownReason::CarrierLost }
    }
}

const CAPS: Caps = Caps {
    payload_max: PAYLOAD_MAX,
    delivery: Delivery::Lossy,
    idle_max: Some(IDLE_MAX),
    route: Route::Unknown,
};
