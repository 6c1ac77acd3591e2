//! Documents of any language, as what enforces them in each cluster.

use std::{collections::BTreeMap, fmt};

use super::{
    Decision, Evaluator, Language, RuleId,
    cilium::{self, Cilium},
    network_policy::{self, NetworkPolicies},
};
use crate::{
    matrix::{Faults, resource},
    policy::{passage::Passage, world::World},
};

/// A document of somebody's policies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// The cluster that enforces it, as the inventory calls it.
    pub cluster: String,
    /// What faults call it.
    pub name: String,
    /// All of it.
    pub text: String,
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
    /// enforcer.
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
            None => return Ok(None),
            Some(_) if !world.clusters.contains_key(cluster) => {
                return Err(vec![format!(
                    "{cluster}: nothing tells which pods it has, and so whom its policies are for"
                )]);
            }
            Some(Language::NetworkPolicy) => {
                Box::new(NetworkPolicies::new(world, cluster, self.all(network_policy::read)?))
            }
            Some(Language::Cilium) => Box::new(Cilium::new(world, cluster, self.all(cilium::read)?)?),
        }))
    }

    /// The one that all of them speak.
    fn language(&self) -> Result<Option<Language>, Vec<String>> {
        let (mut spoken, mut faults) = (BTreeMap::new(), Vec::new());
        for document in self.documents {
            let read = resource::each(&document.text, &document.name, |mut resource| {
                let kind = resource.kind();
                match Language::ALL.into_iter().find(|language| language.kinds().contains(&kind.as_str())) {
                    Some(language) => {
                        spoken.entry(language).or_insert_with(|| document.name.clone());
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
