//! Whether an exception speaks of a tuple. Whether it still holds is not asked here.

use super::cell::{Cell, Place, meanings};
use super::leg;
use super::reach::Reach;
use super::rows::Rows;
use super::tuple::{Side, Tuple};
use crate::matrix::{EndpointName, Exception, Party};

impl Rows {
    /// Whether the tuple is one that the exception names: its two ends, as a row's would be placed, and a port.
    /// An exception takes the direct leg only; it forgives what was seen, and not what is behind a proxy.
    #[must_use]
    pub fn exempts(&self, exception: &Exception, tuple: &Tuple<'_>) -> bool {
        let reach = self.reach(tuple);
        self.is_party(reach, &exception.from, tuple.client())
            && self.is_party(reach, &exception.to, tuple.server())
            && self.has_port(reach, exception)
    }

    fn is_party(&self, reach: Reach<'_>, party: &Party, side: Side) -> bool {
        match party {
            Party::Block(block) => block.contains(&side.address),
            Party::Named(name) => self.places(name).iter().any(|place| reach.holds(place, side)),
        }
    }

    fn has_port(&self, reach: Reach<'_>, exception: &Exception) -> bool {
        let destinations = match &exception.to {
            Party::Named(name) => self.places(name),
            Party::Block(_) => vec![Place::Any],
        };
        let destinations = destinations.into_iter();
        let mut cells = destinations.flat_map(|destination| {
            let cell =
                move |port| Cell { row: 0, source: Place::Any, destination: destination.clone(), port };
            exception.ports.iter().copied().map(cell)
        });
        cells.any(|cell| cell.port.carries(reach.tuple.protocol) && leg::admits(reach, &cell))
    }

    /// What a name of an exception means; an ingress is that of any cluster.
    fn places(&self, name: &EndpointName) -> Vec<Place> {
        let places = meanings(name, &self.inventory).into_iter().flat_map(|place| match place {
            Place::Ingress { name, .. } => {
                let clusters = self.inventory.clusters.keys().cloned().map(Some);
                clusters.map(|cluster| Place::Ingress { name: name.clone(), cluster }).collect()
            }
            place => vec![place],
        });
        places.collect()
    }
}
