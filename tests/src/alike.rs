//! Flow ends that nothing tells apart which a policy or a declaration knows.

use flowdrift::policy::Passage;

/// Whether both are the same end's, in the same direction, on the same port of the same transport, with the same peer.
#[must_use]
pub fn is_alike(one: &Passage<'_>, other: &Passage<'_>) -> bool {
    let ends =
        |passage: &Passage<'_>| (passage.party.subject(), passage.is_egress, passage.port, passage.protocol);
    let is_peer = one.peer.address() == other.peer.address()
        || matches!((one.peer.subject(), other.peer.subject()), (Some(one), Some(other)) if one == other);
    ends(one) == ends(other) && is_peer
}
