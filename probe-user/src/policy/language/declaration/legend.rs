//! What the names of a table stand for: whoever opens a firewall needs addresses.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    net::IpAddr,
};

use ipnet::IpNet;

use crate::{
    matrix::{EndpointName, Row, escaped},
    policy::{
        rule::Peer,
        world::{Subject, World},
    },
    wording,
    workload::Workload,
};

/// Who the rules behind a row let be at one of its ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum End<'a> {
    Pods(&'a Workload),
    Own(&'a Subject),
    Peer(&'a Peer),
}

impl<'a> End<'a> {
    pub(super) fn of_subject(subject: &'a Subject) -> Self {
        match subject {
            Subject::Workload { workload, .. } => Self::Pods(workload),
            Subject::Node { .. } | Subject::Guest { .. } => Self::Own(subject),
        }
    }

    pub(super) fn of_peer(peer: &'a Peer) -> Self {
        match peer {
            Peer::Workload(workload) => Self::Pods(workload),
            other => Self::Peer(other),
        }
    }
}

/// Everybody at the source of a row, and everybody at its destination.
pub(super) type Ends<'a> = [BTreeSet<End<'a>>; 2];

/// What becomes of the names of a cluster's rows, a line for each that is no address; a name may stand for somebody else in
/// another row. It is a list, since a table would be read as one of flows.
pub(super) fn markdown(world: &World<'_>, cluster: &str, rows: &[Row], ends: &[Ends<'_>]) -> String {
    let mut words: BTreeMap<&BTreeSet<End<'_>>, String> = BTreeMap::new();
    let mut names: BTreeMap<&EndpointName, BTreeMap<String, BTreeSet<&str>>> = BTreeMap::new();
    for (row, [from, to]) in rows.iter().zip(ends) {
        for (name, end) in
            row.from.iter().map(|name| (name, from)).chain(row.to.iter().map(|name| (name, to)))
        {
            if is_address(name) {
                continue;
            }
            let words = words.entry(end).or_insert_with(|| meaning(world, cluster, end));
            let rows = names.entry(name).or_default().entry(words.clone()).or_default();
            rows.insert(&row.id);
        }
    }
    let mut list = String::new();
    for (name, meanings) in names {
        let mut meanings: Vec<(String, BTreeSet<&str>)> = meanings.into_iter().collect();
        // What it mostly stands for needs no rows.
        meanings.sort_by_key(|(_, rows)| Reverse(rows.len()));
        for (place, (words, rows)) in meanings.iter().enumerate().filter(|(_, (words, _))| !words.is_empty())
        {
            let of_rows = match place {
                0 => String::new(),
                _ => format!(" in {}", rows.iter().copied().collect::<Vec<_>>().join(", ")),
            };
            let _ = writeln!(list, "- {}: {}", escaped(&format!("{name}{of_rows}")), escaped(words));
        }
    }
    if list.is_empty() { list } else { format!("\n## Addresses behind the names\n\n{list}") }
}

/// It stands for itself.
fn is_address(name: &EndpointName) -> bool {
    name.as_str().parse::<IpNet>().is_ok() || name.as_str().parse::<IpAddr>().is_ok()
}

fn meaning(world: &World<'_>, cluster: &str, ends: &BTreeSet<End<'_>>) -> String {
    let (mut hosts, mut blocks, mut pods) = (BTreeSet::new(), Vec::new(), BTreeSet::new());
    for end in ends {
        match end {
            End::Pods(workload) => {
                let (cluster, workload) = (cluster.to_owned(), (*workload).clone());
                pods.extend(world.addresses(&Subject::Workload { cluster, workload }));
            }
            End::Own(subject) => blocks.extend(world.addresses(subject).into_iter().map(IpNet::from)),
            End::Peer(peer) => {
                hosts.extend(peer.hosts().iter().cloned());
                blocks.extend(peer.blocks().iter());
            }
        }
    }
    let mut words: Vec<String> = hosts.into_iter().collect();
    words.extend(IpNet::aggregate(&blocks).iter().map(wording::block));
    if !pods.is_empty() {
        // They are others tomorrow: nobody needs them all.
        words.push(format!("pods, now at {}", wording::some(&pods)));
    }
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{matrix::read_inventory, workload::ClusterObjects};

    fn at<'a>(from: &[End<'a>], to: &[End<'a>]) -> Ends<'a> {
        [from, to].map(|end| end.iter().copied().collect())
    }

    #[test]
    fn a_name_may_stand_for_somebody_else_in_another_row() {
        let pod = |name: &str, address: &str| {
            serde_json::json!({"kind": "Pod", "metadata": {"namespace": "shop", "name": name, "labels": {"app": name}},
                "spec": {"nodeName": "n1", "containers": []}, "status": {"podIPs": [{"ip": address}]}})
        };
        let list = serde_json::json!({"items": [pod("web", "10.0.0.1"), pod("db", "10.0.0.2")]}).to_string();
        let objects = ClusterObjects::read([(list.as_bytes(), "run.json")]).expect("they are pods");
        let [web, db] = ["10.0.0.1", "10.0.0.2"].map(|address| {
            let of = |address: IpAddr| objects.pods.iter().find(move |pod| pod.addresses.contains(&address));
            of(address.parse().expect("an address")).expect("it is listed").workload.clone()
        });
        let text = "apiVersion: flowdrift/v1\nkind: Inventory\n\
            clusters: {run: {nodes: {n1: [172.16.0.1, 'fd00::1']}, pods: [10.0.0.0/16]}}\n";
        let inventory = read_inventory(text, "i.yaml").expect("an inventory");
        let clusters = [("run".to_owned(), objects)].into();
        let world = World::new(&inventory, &clusters);
        let row = |id: &str, from: &str, to: &str| {
            let text = format!(
                "apiVersion: flowdrift/v1\nkind: FlowMatrix\nmetadata: {{name: m}}\nrows: [{{id: {id}, from: ['{from}'], to: ['{to}'], ports: [1/tcp]}}]\n"
            );
            crate::matrix::read_matrix(&text, "m.yaml").expect("a row").rows.remove(0)
        };
        let node = Subject::Node { cluster: "run".to_owned(), node: "n1".to_owned() };
        let peer = Peer::Endpoint {
            name: EndpointName::new("git"),
            hosts: vec!["*.git.example.com".to_owned()],
            blocks: ["192.0.2.0/28".parse::<IpNet>().expect("a block")].into_iter().collect(),
        };
        let front = Peer::Address("198.51.100.1".parse().expect("an address"));
        let rows = [
            row("a", "shop/x", "git"),
            row("b", "shop/x", "git"),
            row("c", "run", "git"),
            row("d", "198.51.100.1", "run"),
            row("e", "shop/x", "10.9.0.0/16"),
        ];
        let own = End::of_subject(&node);
        let ends: Vec<Ends<'_>> = vec![
            // Two workloads of one name are both meant by it.
            at(&[End::Pods(&web), End::Pods(&db)], &[End::of_peer(&peer)]),
            at(&[End::Pods(&web), End::Pods(&db)], &[End::of_peer(&peer)]),
            at(&[own], &[End::of_peer(&front)]),
            at(&[End::of_peer(&front)], &[own]),
            at(&[End::Pods(&web)], &[End::of_peer(&front)]),
        ];
        assert_eq!(
            markdown(&world, "run", &rows, &ends),
            "\n## Addresses behind the names\n\n\
             - git: \\*.git.example.com, 192.0.2.0/28\n\
             - git in c: 198.51.100.1\n\
             - run: 172.16.0.1, fd00::1\n\
             - shop/x: pods, now at 10.0.0.1, 10.0.0.2\n\
             - shop/x in e: pods, now at 10.0.0.1\n"
        );
        assert_eq!(markdown(&world, "run", &rows[4..], &[at(&[own], &[])]).lines().count(), 4);
        assert_eq!(markdown(&world, "run", &[row("f", "10.0.0.1", "::/0")], &[at(&[own], &[own])]), "");
    }
}
