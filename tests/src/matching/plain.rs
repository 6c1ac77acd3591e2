//! Inventories, matrices and rows that say no more than they must.

use flowdrift::matrix::{
    EndpointName, Expect, Matrix, PortSpec, Row,
    inventory::{Cluster, Endpoint, Inventory},
};
use ipnet::IpNet;

use super::traffic::Packet;

/// One cluster, which reports, and endpoints of these blocks.
pub(super) fn inventory_of(endpoints: impl Iterator<Item = (EndpointName, Vec<IpNet>)>) -> Inventory {
    let endpoint = |cidrs| Endpoint { cidrs, ..Endpoint::default() };
    Inventory {
        clusters: [(Packet::CLUSTER.to_owned(), Cluster::default())].into(),
        endpoints: endpoints.map(|(name, blocks)| (name, endpoint(blocks))).collect(),
        ..Inventory::default()
    }
}

/// A matrix of these rows.
pub(super) fn matrix_of(rows: impl IntoIterator<Item = Row>) -> Matrix {
    Matrix {
        name: "made up".into(),
        file: "made up".into(),
        digest: String::new(),
        rows: rows.into_iter().collect(),
    }
}

/// A row that says no more than it must.
pub(super) fn row_between(from: Vec<EndpointName>, to: Vec<EndpointName>, ports: Vec<PortSpec>) -> Row {
    Row {
        id: "r".to_owned(),
        component: None,
        components: Vec::new(),
        from,
        to,
        ports,
        each_port: false,
        app: None,
        expect: Expect::Optional,
        purpose: None,
        source: None,
        review: false,
        doubts: Vec::new(),
        notes: None,
        line: 1,
    }
}
