//! Rules within the API's limits: nothing is cut off, it goes on in a further rule, and rules go on in a further policy.

use super::{
    super::MOST,
    entry::{Entry, Peer},
};

/// Rules none of which has more peers, blocks or names than the API lets it have. Rules that differ only in their peers are
/// one where they would be too many otherwise: apart they are easier to review.
pub(super) fn fit(entries: Vec<Entry>) -> Vec<Entry> {
    let apart = split(entries);
    // One more is the Deny.
    if apart.len() < MOST { apart } else { split(merge(apart)) }
}

fn split(entries: Vec<Entry>) -> Vec<Entry> {
    entries.into_iter().flat_map(split_one).collect()
}

fn split_one(entry: Entry) -> Vec<Entry> {
    let peers: Vec<Peer> = entry.peers.iter().flat_map(split_peer).collect();
    let parts = peers.chunks(MOST).enumerate().map(|(part, peers)| {
        let comments =
            if part == 0 { entry.comments.clone() } else { vec!["and the rest of these".to_owned()] };
        Entry { comments, peers: peers.to_vec(), ..entry.clone() }
    });
    parts.collect()
}

fn split_peer(peer: &Peer) -> Vec<Peer> {
    match peer {
        Peer::Networks(blocks) => blocks.chunks(MOST).map(|part| Peer::Networks(part.to_vec())).collect(),
        Peer::DomainNames(names) => names.chunks(MOST).map(|part| Peer::DomainNames(part.to_vec())).collect(),
        Peer::Namespaces(_) | Peer::Pods(_) => vec![peer.clone()],
    }
}

fn merge(entries: Vec<Entry>) -> Vec<Entry> {
    let mut merged: Vec<Entry> = Vec::new();
    for entry in entries {
        let is_alike = |one: &&mut Entry| {
            (&one.name, one.action, &one.protocols) == (&entry.name, entry.action, &entry.protocols)
        };
        match merged.iter_mut().find(is_alike) {
            Some(one) => {
                one.comments.extend(entry.comments);
                entry.peers.into_iter().for_each(|peer| add(&mut one.peers, peer));
            }
            None => merged.push(entry),
        }
    }
    merged
}

/// Blocks go to the other blocks.
fn add(peers: &mut Vec<Peer>, peer: Peer) {
    if let Peer::Networks(blocks) = &peer
        && let Some(Peer::Networks(own)) = peers.iter_mut().find(|one| matches!(one, Peer::Networks(_)))
    {
        own.extend(blocks);
        // The API's list is a set.
        own.sort_unstable();
        own.dedup();
    } else if !peers.contains(&peer) {
        peers.push(peer);
    }
}
