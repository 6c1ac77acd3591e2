//! Where what is let through may change: the ports and blocks that policies and rows name.

use std::{collections::BTreeSet, net::IpAddr};

use ipnet::IpNet;
use serde_json::Value;

use crate::{
    judge::Case,
    matching::Matcher,
    matrix::Ports,
    policy::{language::Document, world::World},
};

/// Ports and blocks at which something may change; one too many changes nothing but the time that asking takes.
#[derive(Debug, Default)]
pub(super) struct Edges {
    /// The first port of each run that is alike.
    ports: BTreeSet<u16>,
    pub(super) blocks: BTreeSet<IpNet>,
}

impl Edges {
    /// Of documents in whatever language they are.
    pub(super) fn of<'d>(documents: impl Iterator<Item = &'d Document>) -> Self {
        let mut edges = Self::default();
        edges.add_port(0);
        for document in documents {
            match serde_json::from_str(&document.text) {
                Ok(listed) if document.is_ruleset() => edges.add_listed(&listed),
                _ => document.text.lines().for_each(|line| edges.add_line(line)),
            }
        }
        edges
    }

    /// A line of YAML. Ports stand under keys that say so, or alone in a list.
    fn add_line(&mut self, line: &str) {
        let line = line.trim();
        if line.starts_with('#') {
            return;
        }
        let is_part = |letter: char| letter.is_ascii_hexdigit() || ":./".contains(letter);
        let is_of_ports = line.contains("ort") || line.contains("number");
        let is_alone =
            line.trim_start_matches("- ").chars().all(|letter| is_part(letter) || "'\"".contains(letter));
        for word in line.split(|letter| !is_part(letter)) {
            let block = [word, word.trim_matches(['.', ':', '/'])].into_iter().find_map(block);
            match block {
                Some(block) => drop(self.blocks.insert(block)),
                None if is_of_ports || is_alone => self.add_numbers(word),
                None => {}
            }
        }
    }

    fn add_numbers(&mut self, word: &str) {
        word.split([':', '.', '/'])
            .filter_map(|number| number.parse().ok())
            .for_each(|port| self.add_port(port));
    }

    /// What `nft -j` lists: blocks as an address and a length, ranges of addresses by their ends.
    fn add_listed(&mut self, value: &Value) {
        match value {
            Value::Object(entries) => {
                let prefix =
                    (entries.get("addr").and_then(Value::as_str), entries.get("len").and_then(Value::as_u64));
                if let (Some(address), Some(length)) = prefix {
                    self.blocks.extend(block(&format!("{address}/{length}")));
                    return;
                }
                if let Some([Value::String(first), Value::String(last)]) =
                    entries.get("range").and_then(Value::as_array).map(Vec::as_slice)
                {
                    self.blocks.extend(blocks_between(first, last));
                }
                entries.values().for_each(|value| self.add_listed(value));
            }
            Value::Array(items) => items.iter().for_each(|item| self.add_listed(item)),
            Value::String(text) => self.blocks.extend(block(text)),
            Value::Number(number) => {
                let port = number.as_u64().and_then(|number| u16::try_from(number).ok());
                port.into_iter().for_each(|port| self.add_port(port));
            }
            Value::Bool(_) | Value::Null => {}
        }
    }

    /// A port is unlike the one before it, and the next one unlike it.
    pub(super) fn add_port(&mut self, port: u16) {
        self.ports.insert(port);
        self.ports.extend(port.checked_add(1));
    }

    /// What the inventory and the rows name.
    pub(super) fn add_rows(&mut self, world: &World<'_>, case: &Case<'_>) {
        for cell in [case.rows(), case.baseline.rows()].into_iter().flat_map(Matcher::cells) {
            if let Ports::Range { first, last } = cell.port.ports {
                [first, last].into_iter().for_each(|port| self.add_port(port));
            }
        }
        // Behind a service or an ingress a row's port is another one.
        let endpoints = || world.inventory.endpoints.values();
        let bound = endpoints().flat_map(|endpoint| endpoint.ports.values().flatten());
        let ingresses = world.inventory.clusters.values().filter_map(|cluster| cluster.ingress.as_ref());
        let behind = ingresses
            .flat_map(|ingress| ingress.targets.values().flatten().chain(ingress.listeners.values()));
        bound.chain(behind).for_each(|port| self.add_port(*port));
        self.blocks.extend(endpoints().flat_map(|endpoint| &endpoint.cidrs).map(IpNet::trunc));
    }

    /// The first port of each run, and how many it has; port 0 is none.
    pub(super) fn runs(&self) -> Vec<(u16, f64)> {
        let firsts: Vec<u16> = self.ports.iter().copied().filter(|port| *port > 0).collect();
        let firsts = if firsts.first() == Some(&1) { firsts } else { [vec![1], firsts].concat() };
        let ends = firsts.iter().skip(1).map(|next| u32::from(*next)).chain([1 << 16]);
        firsts.iter().zip(ends).map(|(first, end)| (*first, f64::from(end - u32::from(*first)))).collect()
    }
}

fn block(text: &str) -> Option<IpNet> {
    let net = text.parse::<IpNet>().map(|net| net.trunc());
    net.or_else(|_| text.parse::<IpAddr>().map(IpNet::from)).ok()
}

/// The blocks that a range of addresses is made of.
fn blocks_between(first: &str, last: &str) -> Vec<IpNet> {
    match (first.parse(), last.parse()) {
        (Ok(IpAddr::V4(first)), Ok(IpAddr::V4(last))) => {
            ipnet::Ipv4Subnets::new(first, last, 0).map(IpNet::from).collect()
        }
        (Ok(IpAddr::V6(first)), Ok(IpAddr::V6(last))) => {
            ipnet::Ipv6Subnets::new(first, last, 0).map(IpNet::from).collect()
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> IpNet {
        text.parse().expect("a block")
    }

    fn edges(name: &str, text: &str) -> Edges {
        let document = Document { cluster: "run".into(), name: name.into(), text: text.into() };
        Edges::of([&document].into_iter())
    }

    #[test]
    fn ports_and_blocks_of_a_document_are_edges_and_names_and_comments_are_not() {
        let text = "# port 77 times on 192.0.2.9\nname: app-0731\n  - cidr: 192.0.2.0/28\n    port: 443\n    endPort: 500\n    to: {ip: \"2001:db8::1\"}\n    - 7000:7010\n  - '8443'\n";
        let edges = edges("p.yaml", text);
        for port in [443, 444, 500, 501, 7000, 7010, 7011, 8443] {
            assert!(edges.ports.contains(&port), "{port}");
        }
        assert!(!edges.ports.contains(&77) && !edges.ports.contains(&731));
        assert_eq!(edges.blocks, [net("192.0.2.0/28"), net("2001:db8::1/128")].into());
    }

    #[test]
    fn blocks_and_ranges_of_a_ruleset_are_edges() {
        let text = r#"{"nftables": [{"set": {"elem": [{"prefix": {"addr": "10.65.0.0", "len": 25}}, {"range": ["10.66.0.0", "10.66.0.2"]}, "192.0.2.7"]}}, {"rule": {"right": 8080}}]}"#;
        let edges = edges("n1.nft", text);
        let expected =
            ["10.65.0.0/25", "10.66.0.0/31", "10.66.0.2/32", "10.66.0.0/32", "192.0.2.7/32"].map(net);
        assert_eq!(edges.blocks, expected.into());
        assert!(edges.ports.contains(&8080) && edges.ports.contains(&8081) && !edges.ports.contains(&25));
    }

    #[test]
    fn runs_are_all_ports_once() {
        let mut edges = Edges::default();
        edges.add_port(443);
        edges.add_port(65_535);
        assert_eq!(edges.runs(), [(1, 442.0), (443, 1.0), (444, 65_091.0), (65_535, 1.0)]);
        assert_eq!(Edges::default().runs(), [(1, 65_535.0)]);
    }
}
