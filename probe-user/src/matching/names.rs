//! Which endpoints addresses were seen to be: what no block of the inventory says.

use std::net::IpAddr;

use hashbrown::HashMap;

use crate::matrix::EndpointName;

/// Exact addresses of endpoints, beside the blocks that the inventory gives them: as a witness told, for as long as he does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    of: HashMap<IpAddr, Vec<EndpointName>>,
}

impl Names {
    /// Says that an address is an endpoint's; it may be that of several.
    pub fn add(&mut self, address: IpAddr, endpoint: EndpointName) {
        let names = self.of.entry(address).or_default();
        if let Err(place) = names.binary_search(&endpoint) {
            names.insert(place, endpoint);
        }
    }

    /// The endpoints of an address, ascending.
    #[must_use]
    pub fn of(&self, address: IpAddr) -> &[EndpointName] {
        self.of.get(&address).map_or(&[], |names| names)
    }

    /// Every address with its endpoints, in no order.
    pub fn all(&self) -> impl Iterator<Item = (IpAddr, &[EndpointName])> {
        self.of.iter().map(|(address, names)| (*address, names.as_slice()))
    }
}
