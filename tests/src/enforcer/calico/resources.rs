//! What is in force: policies in their order, and whoever has labels.

use std::collections::BTreeMap;

use flowdrift::{policy::Party, workload::Labels};
use ipnet::IpNet;
use serde_json::Value;

use crate::enforcer::{Site, plain};

/// The label of a namespaced resource.
const NAMESPACE: &str = "projectcalico.org/namespace";

/// The label of a namespace that is its name.
const NAME: &str = "projectcalico.org/name";

/// An endpoint or a network set: what a selector can select.
pub(super) struct Set {
    /// Its labels, and those that Calico gives it.
    pub(super) labels: Labels,
    /// Those of its namespace; none of what has no namespace.
    pub(super) namespace: Option<Labels>,
    /// Blocks of a network set.
    pub(super) nets: Vec<IpNet>,
}

/// A tier as it is evaluated.
#[derive(Clone)]
pub(super) struct Tier<'d> {
    order: f64,
    pub(super) name: &'d str,
    /// Whether what none of its policies decides goes on.
    pub(super) passes: bool,
}

/// A policy in its place.
pub(super) struct Policy<'d> {
    pub(super) tier: Tier<'d>,
    order: f64,
    name: &'d str,
    /// None of a global one.
    pub(super) namespace: Option<&'d str>,
    pub(super) spec: &'d Value,
}

/// All documents.
pub(super) struct Resources<'d> {
    /// In the order in which they are asked.
    pub(super) policies: Vec<Policy<'d>>,
    /// `NetworkSet` and `GlobalNetworkSet`.
    pub(super) sets: Vec<Set>,
}

impl<'d> Resources<'d> {
    /// What is staged takes the place of what it would become, or takes it away.
    pub(super) fn of(site: Site<'_>, documents: &'d [Value]) -> Self {
        let (mut enforced, mut staged) = (BTreeMap::<(&str, Option<&str>), &Value>::new(), Vec::new());
        let (mut sets, mut tiers) = (Vec::new(), predefined());
        for document in documents {
            let kind = document["kind"].as_str().expect("a kind is given");
            let name = plain::text(&document["metadata"], "name").expect("a name is given");
            let namespace = plain::text(&document["metadata"], "namespace").unwrap_or("default");
            let spec = &document["spec"];
            match kind {
                "NetworkPolicy" => enforced.extend([((name, Some(namespace)), spec)]),
                "GlobalNetworkPolicy" => enforced.extend([((name, None), spec)]),
                "StagedNetworkPolicy" => staged.push(((name, Some(namespace)), spec)),
                "StagedGlobalNetworkPolicy" => staged.push(((name, None), spec)),
                "NetworkSet" | "GlobalNetworkSet" => sets.push(Set::of(site, document)),
                "Tier" => tiers.extend([(name, Tier::of(name, spec))]),
                other => panic!("not covered: {other}"),
            }
        }
        for (key, spec) in staged {
            match spec["stagedAction"].as_str() {
                None | Some("Set") => enforced.extend([(key, spec)]),
                Some("Delete") => enforced.retain(|enforced, _| *enforced != key),
                Some(other) => panic!("not covered: stagedAction {other}"),
            }
        }
        let policies =
            enforced.into_iter().map(|((name, namespace), spec)| Policy::of(name, namespace, spec, &tiers));
        let mut policies: Vec<Policy<'d>> = policies.collect();
        policies.sort_by(Policy::compare);
        Self { policies, sets }
    }
}

/// "The default tier is created during installation and has the order of 1,000,000"; the others are those of admin network
/// policies.
fn predefined<'d>() -> BTreeMap<&'d str, Tier<'d>> {
    let tiers = [
        ("adminnetworkpolicy", 1e3, true),
        ("default", DEFAULT_ORDER, false),
        ("baselineadminnetworkpolicy", 1e7, true),
    ];
    tiers.map(|(name, order, passes)| (name, Tier { order, name, passes })).into()
}

/// "This value is fixed, and cannot be changed."
const DEFAULT_ORDER: f64 = 1e6;

impl<'d> Tier<'d> {
    fn of(name: &'d str, spec: &'d Value) -> Self {
        plain::covers(spec, "tier", &["order", "defaultAction"]);
        let order = if name == "default" { DEFAULT_ORDER } else { order(spec) };
        Self { order, name, passes: spec["defaultAction"] == "Pass" }
    }
}

/// None is the last.
fn order(spec: &Value) -> f64 {
    spec["order"].as_f64().unwrap_or(f64::INFINITY)
}

impl<'d> Policy<'d> {
    fn of(
        name: &'d str,
        namespace: Option<&'d str>,
        spec: &'d Value,
        tiers: &BTreeMap<&str, Tier<'d>>,
    ) -> Self {
        let known =
            ["stagedAction", "tier", "order", "selector", "types", "ingress", "egress", "performanceHints"];
        let global: &[&str] = &["namespaceSelector", "applyOnForward", "doNotTrack", "preDNAT"];
        plain::covers(spec, "spec", &[&known[..], if namespace.is_none() { global } else { &[] }].concat());
        for key in ["doNotTrack", "preDNAT"] {
            assert!(spec[key] != true, "not covered: {key}");
        }
        let tier = plain::text(spec, "tier").unwrap_or("default");
        let tier =
            tiers.get(tier).unwrap_or_else(|| panic!("not covered: the tier {tier}, which nobody declares"));
        Self { tier: tier.clone(), order: order(spec), name, namespace, spec }
    }

    /// "Policies with identical order will be applied in alphanumerical order based on the Policy Name."
    fn compare(left: &Self, right: &Self) -> std::cmp::Ordering {
        let tiers =
            left.tier.order.total_cmp(&right.tier.order).then_with(|| left.tier.name.cmp(right.tier.name));
        let orders = left.order.total_cmp(&right.order);
        tiers.then(orders).then_with(|| (left.name, left.namespace).cmp(&(right.name, right.namespace)))
    }

    /// The table of the reference below "If `types` has no value".
    pub(super) fn types(&self) -> Vec<&'d str> {
        let given: Vec<&str> = plain::texts(self.spec, "types").collect();
        let has = |key| !plain::items(self.spec, key).is_empty();
        match (has("ingress"), has("egress")) {
            _ if !given.is_empty() => given,
            (true, true) => vec!["Ingress", "Egress"],
            (false, true) => vec!["Egress"],
            (_, false) => vec!["Ingress"],
        }
    }
}

impl Set {
    /// A network set.
    pub(super) fn of(site: Site<'_>, document: &Value) -> Self {
        plain::covers(&document["spec"], "set", &["nets"]);
        let metadata = &document["metadata"];
        let (labels, nets) = (plain::pairs(&metadata["labels"]), plain::texts(&document["spec"], "nets"));
        let set = Self { labels, namespace: None, nets: nets.map(plain::block).collect() };
        if document["kind"] == "GlobalNetworkSet" {
            return set;
        }
        set.within(site, plain::text(metadata, "namespace").unwrap_or("default"))
    }

    fn within(mut self, site: Site<'_>, namespace: &str) -> Self {
        self.labels.insert(NAMESPACE.to_owned(), namespace.to_owned());
        let mut labels = plain::namespace_labels(site, namespace);
        labels.insert(NAME.to_owned(), namespace.to_owned());
        self.namespace = Some(labels);
        self
    }

    /// The name of its namespace.
    pub(super) fn namespace_name(&self) -> Option<&str> {
        self.namespace.as_ref()?.get(NAME).map(String::as_str)
    }
}

/// The workload endpoint of a pod, or the automatic host endpoint of a node: "containing the same labels and IP addresses as
/// its corresponding node".
pub(super) fn endpoint(site: Site<'_>, end: &Party<'_>) -> Option<Set> {
    let set = |mut labels: Labels, (key, value): (&str, &str)| {
        labels.insert(key.to_owned(), value.to_owned());
        Set { labels, namespace: None, nets: Vec::new() }
    };
    if let Some(pod) = plain::pod_of(site, end) {
        let endpoint = set(pod.labels.clone(), ("projectcalico.org/orchestrator", "k8s"));
        return Some(endpoint.within(site, &pod.workload.namespace));
    }
    let labels = plain::node_labels(site, plain::node_of(site, end)?);
    Some(set(labels, ("projectcalico.org/created-by", "calico-kube-controllers")))
}
