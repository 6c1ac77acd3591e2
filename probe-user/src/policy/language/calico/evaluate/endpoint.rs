//! Endpoints and network sets, as selectors see them.

use std::borrow::Cow;

use super::{
    super::{
        CREATED_BY, HOST_NAME, NAMESPACE,
        expression::Labelled,
        model::{NetworkSet, Scope, Selected},
    },
    Calico,
};
use crate::{
    policy::world::Party,
    workload::{Labels, Pod},
};

/// What Calico puts before the keys of a namespace's labels where its pods and network sets inherit them
/// (`NamespaceLabelPrefix`).
const OF_NAMESPACE: &str = "pcns.";

/// An endpoint or a network set.
pub(super) struct Endpoint<'a> {
    labels: Cow<'a, Labels>,
    namespace: Option<&'a str>,
    /// Labels of the namespace.
    inherited: Option<&'a Labels>,
    is_pod: bool,
}

impl Endpoint<'_> {
    /// Whether it is selected.
    pub(super) fn is_among(&self, selected: &Selected) -> bool {
        let is_there = match &selected.scope {
            Scope::Everywhere => true,
            Scope::Namespace(name) => self.namespace == Some(name),
            Scope::Namespaces(expression) => expression.holds(&Namespace(self)),
        };
        is_there && selected.labels.holds(self)
    }

    fn of_namespace(&self, key: &str) -> Option<&str> {
        match key {
            "projectcalico.org/name" => self.namespace,
            _ => self.inherited?.get(key).map(String::as_str),
        }
    }
}

impl Labelled for Endpoint<'_> {
    fn label(&self, key: &str) -> Option<&str> {
        match key.strip_prefix(OF_NAMESPACE) {
            Some(key) => self.of_namespace(key),
            None if key == NAMESPACE => self.namespace,
            None if key == "projectcalico.org/orchestrator" && self.is_pod => Some("k8s"),
            None => self.labels.get(key).map(String::as_str),
        }
    }

    fn is_among_all(&self) -> bool {
        true
    }

    fn is_global(&self) -> bool {
        self.namespace.is_none()
    }
}

/// The same, as a selector of namespaces sees it.
struct Namespace<'e, 'a>(&'e Endpoint<'a>);

impl Labelled for Namespace<'_, '_> {
    fn label(&self, key: &str) -> Option<&str> {
        self.0.of_namespace(key)
    }

    /// `all()` are all namespaces, and so what is in one (`getEndpointSelector`).
    fn is_among_all(&self) -> bool {
        self.0.namespace.is_some()
    }

    fn is_global(&self) -> bool {
        self.0.namespace.is_none()
    }
}

impl<'a> Calico<'a> {
    /// The endpoint of a pod or node of this cluster. A pod with its node's network has none of its own.
    pub(super) fn endpoint<'p>(&self, party: &Party<'p>) -> Option<Endpoint<'p>>
    where
        'a: 'p,
    {
        match *party {
            Party::Pod { cluster, pod, .. } if cluster == self.cluster => Some(self.pod(pod)),
            Party::Node { cluster, node, .. } if cluster == self.cluster && self.has_host_endpoints => {
                Some(self.host(node))
            }
            _ => None,
        }
    }

    /// The endpoint that has the party's address, and the network sets that hold it.
    pub(super) fn known_as<'p>(&'p self, party: &Party<'p>) -> Vec<Endpoint<'p>> {
        let address = party.address();
        let holds = |set: &&NetworkSet| set.nets.iter().any(|net| net.contains(&address));
        let sets = self.adopted.sets.iter().filter(holds).map(|set| {
            let namespace = set.namespace.as_deref();
            Endpoint {
                labels: Cow::Borrowed(&set.labels),
                namespace,
                inherited: namespace.and_then(|namespace| self.inherited(namespace)),
                is_pod: false,
            }
        });
        self.endpoint(party).into_iter().chain(sets).collect()
    }

    fn inherited(&self, namespace: &str) -> Option<&'a Labels> {
        self.world.clusters.get(self.cluster)?.namespaces.get(namespace)
    }

    /// A pod's endpoint.
    pub(super) fn pod<'p>(&self, pod: &'p Pod) -> Endpoint<'p>
    where
        'a: 'p,
    {
        let namespace = pod.workload.namespace.as_str();
        Endpoint {
            labels: Cow::Borrowed(&pod.labels),
            namespace: Some(namespace),
            inherited: self.inherited(namespace),
            is_pod: true,
        }
    }

    /// A node's automatic host endpoint, whether or not it has one.
    pub(super) fn host(&self, node: &str) -> Endpoint<'static> {
        Endpoint {
            labels: Cow::Owned(self.host_labels(node)),
            namespace: None,
            inherited: None,
            is_pod: false,
        }
    }

    /// An automatic host endpoint has its node's labels.
    fn host_labels(&self, node: &str) -> Labels {
        let listed = self.world.clusters.get(self.cluster).and_then(|objects| objects.nodes.get(node));
        let mut labels = listed.cloned().unwrap_or_default();
        labels.entry(HOST_NAME.to_owned()).or_insert_with(|| node.to_owned());
        labels.insert(CREATED_BY.0.to_owned(), CREATED_BY.1.to_owned());
        labels
    }
}
