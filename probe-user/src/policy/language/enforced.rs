//! Documents of any language, as what enforces them in each cluster.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::Path,
};

use super::{
    Decision, Evaluator, Language, RuleId,
    calico::{self, Calico},
    cilium::{self, Cilium},
    cluster_network_policy::{self, ClusterNetworkPolicies},
    component,
    egress_point::{self, EgressPoints},
    network_policy::{self, NetworkPolicies},
    nftables::{self, Ruleset, Rulesets},
    service_entry::{self, ServiceEntries},
};
use crate::{
    matrix::{
        Faults,
        resource::{self, Content},
    },
    policy::{passage::Passage, world::World},
};

/// A document of somebody's policies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// The cluster that enforces it, as the inventory calls it.
    pub cluster: String,
    /// What faults call it. The ruleset of a node has the node's name and the ending `nft`.
    pub name: String,
    /// All of it; of a ruleset, what `nft -j list ruleset` says where it is loaded.
    pub text: String,
}

impl Document {
    /// Whether it is a ruleset of nftables.
    #[must_use]
    pub fn is_ruleset(&self) -> bool {
        Path::new(&self.name).extension().is_some_and(|ending| ending == "nft")
    }
}

/// Why documents cannot be evaluated: every fault of every document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable(Vec<String>);

impl fmt::Display for Unreadable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0.join("\n"))
    }
}

impl std::error::Error for Unreadable {}

/// What enforces the policies of some clusters.
pub struct Enforced<'a> {
    clusters: BTreeMap<&'a str, Box<dyn Evaluator + 'a>>,
}

impl<'a> Enforced<'a> {
    /// Of these documents.
    ///
    /// # Errors
    /// What is wrong with them, or that they speak different languages in one cluster: what comes of both depends on the
    /// enforcer. Only policies of namespaces and of clusters are one to Kubernetes' own API.
    pub fn read(world: &'a World<'a>, documents: &[Document]) -> Result<Self, Unreadable> {
        let (mut clusters, mut faults) = (BTreeMap::new(), Vec::new());
        for (cluster, documents) in by_cluster(documents) {
            let Some((cluster, _)) = world.inventory.clusters.get_key_value(cluster) else {
                faults
                    .push(format!("found policies of the cluster {cluster}, expected one of the inventory"));
                continue;
            };
            match (Reader { world, cluster, documents: &documents }).evaluator() {
                Ok(Some(evaluator)) => drop(clusters.insert(cluster.as_str(), evaluator)),
                Ok(None) => {}
                Err(found) => faults.extend(found),
            }
        }
        if faults.is_empty() { Ok(Self { clusters }) } else { Err(Unreadable(faults)) }
    }

    /// Whether nobody enforces anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.clusters.is_empty()
    }
}

impl Evaluator for Enforced<'_> {
    fn decide(&self, passage: &Passage<'_>) -> Decision {
        let evaluator = passage.party.cluster().and_then(|cluster| self.clusters.get(cluster));
        evaluator.map_or(Decision::NotGoverned, |evaluator| evaluator.decide(passage))
    }

    fn rules(&self) -> Vec<RuleId> {
        self.clusters.values().flat_map(|evaluator| evaluator.rules()).collect()
    }

    fn notes(&self) -> Vec<String> {
        self.clusters.values().flat_map(|evaluator| evaluator.notes()).collect()
    }
}

fn by_cluster(documents: &[Document]) -> BTreeMap<&str, Vec<&Document>> {
    let mut clusters: BTreeMap<&str, Vec<&Document>> = BTreeMap::new();
    for document in documents {
        clusters.entry(&document.cluster).or_default().push(document);
    }
    clusters
}

/// The documents of one cluster.
struct Reader<'a, 'd> {
    world: &'a World<'a>,
    cluster: &'a str,
    documents: &'d [&'d Document],
}

impl<'a> Reader<'a, '_> {
    /// Nobody, where the documents are empty.
    fn evaluator(&self) -> Result<Option<Box<dyn Evaluator + 'a>>, Vec<String>> {
        let Self { world, cluster, .. } = *self;
        Ok(Some(match self.language()? {
            None | Some(Language::Matrix | Language::Markdown) => return Ok(None),
            Some(Language::Nftables) => Box::new(Rulesets::new(cluster, self.nodes()?)),
            Some(_) if !world.clusters.contains_key(cluster) => {
                return Err(vec![format!(
                    "{cluster}: nothing tells which pods it has, and so whom its policies are for"
                )]);
            }
            Some(Language::NetworkPolicy) => {
                Box::new(NetworkPolicies::new(world, cluster, self.all(network_policy::read)?))
            }
            Some(Language::ClusterNetworkPolicy) => {
                let resources = self.all(cluster_network_policy::read)?;
                Box::new(ClusterNetworkPolicies::new(world, cluster, resources)?)
            }
            Some(Language::Calico | Language::CalicoStaged) => {
                Box::new(Calico::new(world, cluster, self.all(calico::read)?)?)
            }
            Some(Language::EgressPoint) => {
                Box::new(EgressPoints::new(world, cluster, self.all(egress_point::read)?)?)
            }
            Some(Language::ServiceEntry) => {
                Box::new(ServiceEntries::new(world, cluster, self.all(service_entry::read)?))
            }
            Some(Language::Cilium) => Box::new(Cilium::new(world, cluster, self.all(cilium::read)?)?),
        }))
    }

    /// The one whose enforcer reads all of them.
    fn language(&self) -> Result<Option<Language>, Vec<String>> {
        let (mut spoken, mut faults) = (BTreeMap::new(), Vec::new());
        let mut places: BTreeMap<(String, String, String), (&str, Content)> = BTreeMap::new();
        for document in self.documents {
            if document.is_ruleset() {
                spoken.entry(Language::Nftables).or_insert_with(|| document.name.clone());
                continue;
            }
            let read = resource::each(&document.text, &document.name, |mut resource| {
                let kind = resource.kind();
                let (namespace, name) = resource.place();
                // Of two versions of an API it is one resource.
                let (group, of) = (kind.split('/').next(), kind.rsplit('/').next());
                let place = (format!("{group:?} {of:?}"), namespace.clone(), name.clone());
                let content = resource.content();
                match places.get(&place) {
                    Some((first, other)) if *other != content => {
                        let message = format!(
                            "found {namespace}/{name} twice and not the same, first in {first}, expected it once: one would take the other's place"
                        );
                        resource.fault("metadata.name", message);
                    }
                    _ => drop(places.insert(place, (&document.name, content))),
                }
                let spoken_here =
                    Language::ALL.into_iter().find(|language| language.kinds().contains(&kind.as_str()));
                match spoken_here.and_then(Language::enforcer) {
                    Some(enforcer) => {
                        spoken.entry(enforcer).or_insert_with(|| document.name.clone());
                    }
                    None => {
                        let known: Vec<&str> =
                            Language::ALL.iter().flat_map(|language| language.kinds()).copied().collect();
                        resource.fault("kind", format!("found `{kind}`, expected {}", known.join(", ")));
                    }
                }
            });
            faults.extend(read.err().map(|fault| fault.to_string()));
        }
        // NetworkPolicies have a tier of their own among those of a cluster, and who enforces these enforces them, too.
        if spoken.contains_key(&Language::ClusterNetworkPolicy) {
            spoken.remove(&Language::NetworkPolicy);
        }
        if spoken.len() > 1 {
            let spoken: Vec<String> =
                spoken.iter().map(|(language, name)| format!("{} in {name}", language.title())).collect();
            faults.push(format!(
                "{}: found {}, expected one language: which goes first is for the enforcer to say",
                self.cluster,
                spoken.join(" and ")
            ));
        }
        if faults.is_empty() { Ok(spoken.into_keys().next()) } else { Err(faults) }
    }

    /// The ruleset of each node, by the name that its file has.
    fn nodes(&self) -> Result<BTreeMap<String, Ruleset>, Vec<String>> {
        let (mut nodes, mut faults) = (BTreeMap::new(), Vec::new());
        let roster = self
            .world
            .inventory
            .clusters
            .get(self.cluster)
            .into_iter()
            .flat_map(|cluster| cluster.nodes.keys());
        let roster: BTreeSet<String> = roster.map(|node| component(node)).collect();
        for Document { name, text, .. } in self.documents {
            let node = Path::new(name).file_stem().unwrap_or_default().to_string_lossy().into_owned();
            if !roster.contains(&node) {
                faults.push(format!("{name}: found no node {node} in {}, expected its ruleset under its name, such as run-1.nft", self.cluster));
            }
            match nftables::read(text, name) {
                Ok(ruleset) => {
                    if nodes.insert(node.clone(), ruleset).is_some() {
                        faults
                            .push(format!("{name}: found a second ruleset of the node {node}, expected one"));
                    }
                }
                Err(fault) => faults.push(fault.to_string()),
            }
        }
        if faults.is_empty() { Ok(nodes) } else { Err(faults) }
    }

    fn all<P>(&self, read: impl Fn(&str, &str) -> Result<Vec<P>, Faults>) -> Result<Vec<P>, Vec<String>> {
        let (mut policies, mut faults) = (Vec::new(), Vec::new());
        for Document { name, text, .. } in self.documents {
            match read(text, name) {
                Ok(found) => policies.extend(found),
                Err(fault) => faults.push(fault.to_string()),
            }
        }
        if faults.is_empty() { Ok(policies) } else { Err(faults) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::language::site::Site;

    fn policy(kind: &str, name: &str) -> String {
        format!(
            "apiVersion: {}\nkind: {}\nmetadata: {{name: {name}, namespace: shop}}\nspec: {{podSelector: {{}}}}\n",
            kind.rsplit_once('/').map_or("", |(version, _)| version),
            kind.rsplit_once('/').map_or("", |(_, kind)| kind),
        )
    }

    fn faults(documents: &[(&str, String)]) -> String {
        let site = Site::new();
        let world = site.world();
        let documents: Vec<Document> = documents
            .iter()
            .map(|(name, text)| Document { cluster: "run".into(), name: (*name).into(), text: text.clone() })
            .collect();
        Enforced::read(&world, &documents).err().map(|faults| faults.to_string()).unwrap_or_default()
    }

    #[test]
    fn one_resource_stands_once() {
        let kind = "networking.k8s.io/v1/NetworkPolicy";
        let [one, other] = ["p", "q"].map(|name| policy(kind, name));
        assert_eq!(faults(&[("a.yaml", one.clone()), ("b.yaml", other)]), "");
        assert_eq!(faults(&[("a.yaml", one.clone()), ("b.yaml", format!("# the same\n{one}"))]), "");
        let changed = one.replace("{podSelector: {}}", "{podSelector: {}, policyTypes: [Egress]}");
        let told = faults(&[("a.yaml", one), ("b.yaml", changed)]);
        assert!(
            told.contains("b.yaml") && told.contains("found shop/p twice and not the same, first in a.yaml"),
            "{told}"
        );
        let [old, new] = ["v1beta1", "v1"].map(|version| {
            let hosts = format!("hosts: [{version}.example.com]");
            let kind = format!("networking.istio.io/{version}/ServiceEntry");
            policy(&kind, "p").replace("podSelector: {}", &hosts)
        });
        assert!(faults(&[("a.yaml", old), ("b.yaml", new)]).contains("twice"));
    }

    #[test]
    fn a_status_that_an_older_server_wrote_is_no_fault() {
        let text = policy("networking.k8s.io/v1/NetworkPolicy", "p") + "status: {}\n";
        assert_eq!(faults(&[("a.yaml", text.clone())]), "");
        assert!(faults(&[("a.yaml", text + "state: {}\n")]).contains("state"));
    }

    #[test]
    fn a_cluster_speaks_one_language() {
        let documents = [
            ("a.yaml", policy("networking.k8s.io/v1/NetworkPolicy", "p")),
            ("b.yaml", policy("cilium.io/v2/CiliumNetworkPolicy", "p")),
        ];
        assert!(faults(&documents).contains("expected one language"));
        let unknown = [("a.yaml", policy("example.com/v1/Policy", "p"))];
        assert!(
            faults(&unknown)
                .contains("found `example.com/v1/Policy`, expected networking.k8s.io/v1/NetworkPolicy")
        );
    }
}
