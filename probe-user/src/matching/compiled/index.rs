//! Which cells a pair of ends may fit at all, without looking at each.
//!
//! For each end the places that may hold it, then the cells between two such places. What is left is held against the
//! rules themselves (`leg.rs`), so too many only cost time.

use std::collections::BTreeMap;

use hashbrown::{HashMap, HashSet};

use super::super::{
    cell::{Cell, LocalKind, Place},
    hidden::is_concealed,
    reach::{Reach, hold},
    rows::Rows,
    tuple::Side,
};
use super::{
    blocks::{Blocks, Owner},
    classes::Class,
    ends::End,
};
use crate::{
    event::Protocol,
    matrix::{EndpointName, Ports, inventory::Inventory},
};

/// A place's number.
pub(super) type PlaceId = u32;

const SOURCES: usize = 0;
const DESTINATIONS: usize = 1;

#[derive(Debug)]
pub(super) struct Index {
    places: Vec<Place>,
    /// Cells by their source and destination, ascending.
    between: HashMap<(PlaceId, PlaceId), Box<[Candidate]>>,
    /// By a place, the sources of the cells that have it as their destination, and the destinations of those that have it as
    /// their source.
    neighbours: Vec<[Vec<PlaceId>; 2]>,
    /// By an atom's index, to which endpoint it belongs.
    of_atom: Vec<OfAtom>,
    /// By name, the place that an endpoint is.
    by_name: HashMap<EndpointName, PlaceId>,
    /// Places of which an address's atoms do not tell.
    general: Vec<PlaceId>,
    /// Endpoints that are registries, too, where some row speaks of registries.
    registries: Vec<PlaceId>,
    /// Endpoints that cgroups bind.
    by_cgroup: Vec<PlaceId>,
    /// Endpoints that a listener may not know by their address, by the cluster that they run in.
    concealed: BTreeMap<Option<String>, Concealed>,
    /// Every endpoint.
    endpoints: Vec<PlaceId>,
}

/// Endpoints that a listener may not know by their address.
#[derive(Debug, Default)]
struct Concealed {
    /// Everywhere, for a cgroup is on no wire.
    by_cgroup: Vec<PlaceId>,
    /// In other clusters, where their addresses mean nothing.
    elsewhere: Vec<PlaceId>,
}

impl Index {
    pub(super) fn of(rows: &Rows, blocks: &Blocks) -> Self {
        let mut numbers: HashMap<Place, PlaceId> = HashMap::new();
        let mut places = Vec::new();
        let mut number = |place: &Place| {
            *numbers.entry_ref(place).or_insert_with(|| {
                places.push(place.clone());
                places.len() as PlaceId - 1
            })
        };
        let inventory = rows.inventory();
        let mut between = HashMap::<_, Vec<Candidate>>::new();
        for (index, cell) in (0..).zip(&rows.cells) {
            let (source, destination) = (number(&cell.source), number(&cell.destination));
            between.entry((source, destination)).or_default().push(Candidate::of(index, cell, inventory));
        }
        let all = |test: &dyn Fn(&Place) -> bool| -> Vec<PlaceId> {
            (0..).zip(&places).filter(|(_, place)| test(place)).map(|(id, _)| id).collect()
        };
        let by_name = by_name(&places);
        let of_atom = of_atoms(inventory, blocks, &places, &by_name);
        let mut neighbours = vec![[Vec::new(), Vec::new()]; places.len()];
        for (source, destination) in between.keys() {
            neighbours[*destination as usize][SOURCES].push(*source);
            neighbours[*source as usize][DESTINATIONS].push(*destination);
        }
        neighbours.iter_mut().flatten().for_each(Vec::shrink_to_fit);
        let between = between.into_iter().map(|(ends, cells)| (ends, cells.into())).collect();
        Self {
            between,
            neighbours,
            of_atom,
            by_name,
            general: all(&|place| !matches!(place, Place::Endpoint { .. })),
            registries: all(&|place| is_registry(inventory, place)),
            by_cgroup: all(&|place| has_cgroups(inventory, place)),
            concealed: concealed(inventory, &places),
            endpoints: all(&|place| matches!(place, Place::Endpoint { .. })),
            places,
        }
    }

    /// How many atoms there are.
    pub(super) fn atoms(&self) -> usize {
        self.of_atom.len()
    }

    /// The places that endpoints are, ascending.
    pub(super) fn places_of(&self, names: &[EndpointName]) -> Box<[PlaceId]> {
        let mut places: Vec<PlaceId> =
            names.iter().filter_map(|name| self.by_name.get(name)).copied().collect();
        places.sort_unstable();
        places.into()
    }

    /// What the rows know of `side`, an address of `class` that was seen to be at the places `learnt`, unless that is nothing;
    /// `reach` knows the reporter, and the other end need not be right.
    pub(super) fn end(&self, reach: Reach<'_>, side: Side, class: &Class, learnt: &[PlaceId]) -> Option<End> {
        let places = self.places(reach, side, class, learnt);
        let shields = if side.client { self.shielded(reach) } else { Box::default() };
        let is_nothing = places.is_empty() && shields.is_empty();
        let matters = |atom: &&u32| match self.of_atom.get(**atom as usize) {
            Some(OfAtom::Endpoint(place)) => places.binary_search(place).is_ok(),
            // That of an address which was learnt: it is like no other.
            Some(OfAtom::General) | None => true,
            Some(OfAtom::Unnamed) => false,
        };
        let atoms = class.atoms.iter().filter(matters).copied().collect();
        (!is_nothing).then_some(End { places, shields, atoms })
    }

    /// Clusters whose servers see the client instead of whoever is behind it: of some legs to them nobody sees the source.
    fn shielded(&self, reach: Reach<'_>) -> Box<[PlaceId]> {
        let is_shielded = |id: &&PlaceId| match &self.places[**id as usize] {
            Place::Cluster(cluster) => !self.sources(**id).is_empty() && is_behind_proxy(reach, cluster),
            _ => false,
        };
        self.general.iter().filter(is_shielded).copied().collect()
    }

    /// The sources of the cells to a place.
    pub(super) fn sources(&self, destination: PlaceId) -> &[PlaceId] {
        &self.neighbours[destination as usize][SOURCES]
    }

    /// The destinations of the cells from a place.
    pub(super) fn destinations(&self, source: PlaceId) -> &[PlaceId] {
        &self.neighbours[source as usize][DESTINATIONS]
    }

    /// Every cell from one of a client's places.
    pub(super) fn cells_from(&self, client: &End) -> impl Iterator<Item = usize> {
        let to = |from: PlaceId| self.destinations(from).iter().map(move |to| (from, *to));
        client.places.iter().flat_map(move |from| to(*from)).flat_map(|pair| self.cells_between(pair))
    }

    /// Every cell to one of a server's places.
    pub(super) fn cells_to(&self, server: &End) -> impl Iterator<Item = usize> {
        let from = |to: PlaceId| self.sources(to).iter().map(move |from| (*from, to));
        server.places.iter().flat_map(move |to| from(*to)).flat_map(|pair| self.cells_between(pair))
    }

    /// Every cell between a client's places and a server's.
    pub(super) fn cells_of(&self, client: &End, server: &End) -> impl Iterator<Item = usize> {
        let to = |from: PlaceId| server.places.iter().map(move |to| (from, *to));
        client.places.iter().flat_map(move |from| to(*from)).flat_map(|pair| self.cells_between(pair))
    }

    /// Every cell from one of a client's places that may fit a port, ascending.
    pub(super) fn taking_from(&self, client: &End, port: u16, protocol: Protocol) -> Vec<usize> {
        let to = |from: &PlaceId| self.destinations(*from).iter().map(|to| (*from, *to)).collect::<Vec<_>>();
        self.taking(client.places.iter().flat_map(to), port, protocol)
    }

    /// Every cell to one of a server's places that may fit a port, ascending.
    pub(super) fn taking_to(&self, server: &End, port: u16, protocol: Protocol) -> Vec<usize> {
        let from = |to: &PlaceId| self.sources(*to).iter().map(|from| (*from, *to)).collect::<Vec<_>>();
        self.taking(server.places.iter().flat_map(from), port, protocol)
    }

    fn taking(
        &self,
        pairs: impl Iterator<Item = (PlaceId, PlaceId)>,
        port: u16,
        protocol: Protocol,
    ) -> Vec<usize> {
        let candidates = pairs.filter_map(|pair| self.between.get(&pair)).flatten();
        let taking = candidates.filter(|one| one.may_take(port, protocol));
        let mut cells: Vec<usize> = taking.map(|one| one.cell as usize).collect();
        cells.sort_unstable();
        cells
    }

    /// Also of those that fit no port.
    fn cells_between(&self, pair: (PlaceId, PlaceId)) -> impl Iterator<Item = usize> {
        self.between.get(&pair).into_iter().flatten().map(|one| one.cell as usize)
    }

    fn places(&self, reach: Reach<'_>, side: Side, class: &Class, learnt: &[PlaceId]) -> Box<[PlaceId]> {
        let mut found = HashSet::new();
        let others = if side.client { DESTINATIONS } else { SOURCES };
        let mut note = |candidates: &[PlaceId]| {
            let may = |id: &&PlaceId| {
                let has_cells = !self.neighbours[**id as usize][others].is_empty();
                has_cells && may_hold(reach, &self.places[**id as usize], side)
            };
            found.extend(candidates.iter().filter(may).copied());
        };
        note(&self.general);
        if side.address.is_unspecified() {
            note(&self.endpoints);
        } else {
            note(learnt);
            let place = |atom: &u32| match self.of_atom.get(*atom as usize) {
                Some(OfAtom::Endpoint(place)) => Some(*place),
                Some(OfAtom::General | OfAtom::Unnamed) | None => None,
            };
            note(&class.atoms.iter().filter_map(place).collect::<Vec<_>>());
            note(&self.registries);
            if side.local {
                note(&self.by_cgroup);
            } else {
                for (home, of_home) in &self.concealed {
                    // Who is not there comes from none of its addresses: there may be thousands to ask otherwise.
                    if home.as_deref().is_some_and(|home| !reach.may_come_from(home, side)) {
                        continue;
                    }
                    note(&of_home.by_cgroup);
                    if home.as_deref() != Some(reach.tuple.cluster) {
                        note(&of_home.elsewhere);
                    }
                }
            }
        }
        let mut found: Vec<PlaceId> = found.into_iter().collect();
        found.sort_unstable();
        found.into()
    }

    /// The cells that a tuple between two ends may fit at a port, ascending.
    pub(super) fn cells(&self, client: &End, server: &End, port: u16, protocol: Protocol) -> Vec<u32> {
        let mut found = Vec::new();
        for destination in &server.places {
            let between = |source: &PlaceId| self.between.get(&(*source, *destination));
            let sources = if client.shields.contains(destination) {
                self.sources(*destination)
            } else {
                &client.places
            };
            let candidates = sources.iter().filter_map(between).flatten();
            found.extend(candidates.filter(|one| one.may_take(port, protocol)).map(|one| one.cell));
        }
        found.sort_unstable();
        found
    }
}

/// A cell, and what a tuple can be held against without the inventory: between two large blocks of a packet filter there
/// may be a hundred cells of which two or three have the port.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    cell: u32,
    /// No port below and none above fits; where the first is above the last none does.
    first: u16,
    last: u16,
    /// Any if `None`.
    protocol: Option<Protocol>,
}

impl Candidate {
    fn of(index: u32, cell: &Cell, inventory: &Inventory) -> Self {
        const NONE: (u16, u16) = (u16::MAX, 0);
        let declared = match cell.port.ports {
            Ports::Range { first, last } => (first, last),
            Ports::Any | Ports::None => (0, u16::MAX),
            Ports::Varies => NONE,
        };
        let bound = bound_ports(inventory, cell);
        let (lowest, highest) = bound.first().zip(bound.last()).map_or(NONE, |(first, last)| (*first, *last));
        let (first, last) = (declared.0.min(lowest), declared.1.max(highest));
        Self { cell: index, first, last, protocol: cell.port.protocol }
    }

    fn may_take(&self, port: u16, protocol: Protocol) -> bool {
        (self.first..=self.last).contains(&port) && self.protocol.is_none_or(|declared| declared == protocol)
    }
}

/// What an atom is part of.
#[derive(Clone, Copy, Debug)]
enum OfAtom {
    /// A place that is an endpoint. Only cells of this place ask for it.
    Endpoint(PlaceId),
    /// An endpoint that is no place by itself: one of the registries.
    Unnamed,
    /// Something that any cell may ask for.
    General,
}

fn by_name(places: &[Place]) -> HashMap<EndpointName, PlaceId> {
    let named = (0..).zip(places).filter_map(|(id, place)| match place {
        Place::Endpoint { name, .. } => Some((name.clone(), id)),
        _ => None,
    });
    named.collect()
}

fn of_atoms(
    inventory: &Inventory,
    blocks: &Blocks,
    places: &[Place],
    by_name: &HashMap<EndpointName, PlaceId>,
) -> Vec<OfAtom> {
    let asks_for_registries = places.contains(&Place::Local(LocalKind::Registries));
    let of_endpoint = |name: &EndpointName| match by_name.get(name) {
        _ if asks_for_registries && inventory.registries.contains(name) => OfAtom::General,
        Some(place) => OfAtom::Endpoint(*place),
        None => OfAtom::Unnamed,
    };
    let of_atom = blocks.atoms.iter().map(|atom| match atom.owner {
        Owner::Endpoint(index) => of_endpoint(&blocks.endpoints[index as usize]),
        _ => OfAtom::General,
    });
    of_atom.collect()
}

fn is_registry(inventory: &Inventory, place: &Place) -> bool {
    matches!(place, Place::Endpoint { name, .. } if inventory.registries.contains(name))
}

fn has_cgroups(inventory: &Inventory, place: &Place) -> bool {
    let Place::Endpoint { name, .. } = place else { return false };
    inventory.endpoints.get(name).is_some_and(|endpoint| !endpoint.cgroups.is_empty())
}

/// Those that somebody, wherever, cannot know by their address.
fn concealed(inventory: &Inventory, places: &[Place]) -> BTreeMap<Option<String>, Concealed> {
    let mut by_home: BTreeMap<Option<String>, Concealed> = BTreeMap::new();
    for (id, place) in (0..).zip(places) {
        let Place::Endpoint { name, .. } = place else { continue };
        let Some(endpoint) = inventory.endpoints.get(name) else { continue };
        if is_concealed(inventory, endpoint, None) {
            let of_home = by_home.entry(endpoint.cluster.clone()).or_default();
            let has_cgroups = !endpoint.cgroups.is_empty();
            if has_cgroups { &mut of_home.by_cgroup } else { &mut of_home.elsewhere }.push(id);
        }
    }
    by_home
}

/// Whether some rule may put `side` at `place`.
fn may_hold(reach: Reach<'_>, place: &Place, side: Side) -> bool {
    match place {
        // These ask for both ends.
        Place::Any | Place::Local(LocalKind::Loopback) => true,
        Place::Cluster(name) if !side.client => reach.at_home(name, side) || reach.at_front(name, side),
        _ if side.client => reach.holds(place, side) || reach.may_be(place, side),
        _ => reach.holds(place, side) || reach.may_go_to(place),
    }
}

/// Whether the client is what a cluster's servers see instead of whoever is behind it.
fn is_behind_proxy(reach: Reach<'_>, cluster: &str) -> bool {
    let client = reach.tuple.client();
    let is_proxy = reach.ingress(cluster).is_some_and(|ingress| hold(&ingress.proxies, client.address));
    is_proxy || reach.is_ingress(cluster, client)
}

/// Ports at which the cell may fit, or not, apart from those that it names: ascending.
pub(super) fn bound_ports(inventory: &Inventory, cell: &Cell) -> Vec<u16> {
    let ingress = |cluster: Option<&str>| {
        let ingress = cluster.and_then(|cluster| inventory.clusters.get(cluster)?.ingress.as_ref());
        let ports = |ingress: &crate::matrix::inventory::Ingress| {
            let listeners = ingress.listeners.iter().flat_map(|(front, listener)| [*front, *listener]);
            let targets = ingress
                .targets
                .iter()
                .flat_map(|(front, targets)| [*front].into_iter().chain(targets.clone()));
            listeners.chain(targets).collect::<Vec<u16>>()
        };
        ingress.map(ports).unwrap_or_default()
    };
    let of_place = |place: &Place| match place {
        Place::Cluster(_) | Place::Ingress { .. } => ingress(place.cluster()),
        Place::Endpoint { name, .. } => {
            let bound = inventory.endpoints.get(name).into_iter().flat_map(|endpoint| &endpoint.ports);
            bound.flat_map(|(declared, actual)| [*declared].into_iter().chain(actual.clone())).collect()
        }
        Place::Local(_) | Place::Any => Vec::new(),
    };
    let mut ports = [of_place(&cell.source), of_place(&cell.destination)].concat();
    ports.sort_unstable();
    ports.dedup();
    ports
}
