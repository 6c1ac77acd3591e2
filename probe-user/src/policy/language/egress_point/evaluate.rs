//! What a Space with egress points lets leave.

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
};

use super::read::{EgressPoint, Source, Target};
use crate::{
    event::Protocol,
    policy::{
        language::{
            Decision, Evaluator, RuleId,
            outside::{is_alike, is_outside, unknown},
        },
        passage::Passage,
        world::{Party, World},
    },
    workload::{Pod, Workload},
};

/// The egress points of a cluster.
///
/// Who has a name is what the inventory says: an address has the host names of the endpoints whose blocks hold it.
pub struct EgressPoints<'a> {
    world: &'a World<'a>,
    cluster: &'a str,
    /// By namespace.
    points: BTreeMap<String, Vec<EgressPoint>>,
}

impl<'a> EgressPoints<'a> {
    /// These.
    ///
    /// # Errors
    /// A Space has a host and port under two protocols.
    pub fn new(world: &'a World<'a>, cluster: &'a str, all: Vec<EgressPoint>) -> Result<Self, Vec<String>> {
        let faults: Vec<String> = contradictions(&all).map(|words| format!("{cluster}/{words}")).collect();
        if !faults.is_empty() {
            return Err(faults);
        }
        let mut points: BTreeMap<String, Vec<EgressPoint>> = BTreeMap::new();
        for point in all {
            points.entry(point.namespace.clone()).or_default().push(point);
        }
        Ok(Self { world, cluster, points })
    }

    fn holds(&self, target: &Target, address: IpAddr, port: u16) -> bool {
        let is_one = |host: &String| match host.parse::<IpAddr>() {
            Ok(one) => one == address,
            Err(_) => host == "*" || self.world.hosts_at(address).any(|name| is_alike(host, name)),
        };
        target.port == port && target.hosts.iter().any(is_one)
    }

    fn id(&self, point: &EgressPoint, index: usize) -> RuleId {
        let document = format!("{}/{}/{}", self.cluster, point.namespace, point.name);
        RuleId { document, is_egress: true, index }
    }
}

impl Evaluator for EgressPoints<'_> {
    fn decide(&self, passage: &Passage<'_>) -> Decision {
        let Party::Pod { cluster, pod, .. } = passage.party else { return Decision::NotGoverned };
        let is_leaving = passage.is_egress && is_outside(self.world, cluster, &passage.peer);
        let Some(points) = self.points.get(&pod.workload.namespace).filter(|_| is_leaving) else {
            return Decision::NotGoverned;
        };
        let mut by = Vec::new();
        for point in points.iter().filter(|point| is_for(point, pod)) {
            let targets = point.targets.iter().enumerate();
            let holding = targets.filter(|(_, target)| {
                passage.protocol == Protocol::Tcp && self.holds(target, passage.peer.address(), passage.port)
            });
            by.extend(holding.map(|(index, _)| self.id(point, index)));
        }
        if by.is_empty() { Decision::Denied } else { Decision::Allowed(by) }
    }

    fn rules(&self) -> Vec<RuleId> {
        let of = |point: &EgressPoint| {
            (0..point.targets.len()).map(|index| self.id(point, index)).collect::<Vec<_>>()
        };
        let mut all: Vec<RuleId> = self.points.values().flatten().flat_map(of).collect();
        all.sort_unstable();
        all
    }

    fn notes(&self) -> Vec<String> {
        let governed = format!(
            "{}: what leaves the namespaces with an EgressPoint is compared, as if each were a Space whose egress is denied by default",
            self.cluster
        );
        let points = || self.points.values().flatten();
        let of_apps = points()
            .filter(|point| point.source.as_ref().is_some_and(|source| source.kind == CONTAINER_APP))
            .map(|point| {
                format!(
                    "{}/{}/{}: which pods are its {CONTAINER_APP}'s is not known: what it lets leave is taken to be denied",
                    self.cluster, point.namespace, point.name
                )
            });
        let hosts = points().flat_map(|point| &point.targets).flat_map(|target| &target.hosts);
        let unknown = unknown(self.world, self.cluster, hosts.map(String::as_str));
        [governed].into_iter().chain(of_apps).chain(unknown).collect()
    }
}

/// A source that no pod names: its owners are Kubernetes' own kinds.
const CONTAINER_APP: &str = "ContainerApp";

/// Whether it is for a pod: that of its workload, or everybody's of the Space.
fn is_for(point: &EgressPoint, pod: &Pod) -> bool {
    let Workload { kind, name, .. } = &pod.workload;
    point.source.as_ref().is_none_or(|Source { kind: of, name: called }| (of, called) == (kind, name))
}

/// "The same host and port cannot be exposed on multiple different protocols" (the reference).
fn contradictions(all: &[EgressPoint]) -> impl Iterator<Item = String> {
    let mut exposed: HashMap<(&str, String, u16), &Target> = HashMap::new();
    let mut found = Vec::new();
    for point in all {
        for target in &point.targets {
            for host in &target.hosts {
                let key = (point.namespace.as_str(), host.to_ascii_lowercase(), target.port);
                let first = *exposed.entry(key).or_insert(target);
                if first.protocol != target.protocol {
                    found.push(format!(
                        "{}/{}: {host}:{} is {} here and {} before; one of them only",
                        point.namespace, point.name, target.port, target.protocol, first.protocol
                    ));
                }
            }
        }
    }
    found.into_iter()
}
