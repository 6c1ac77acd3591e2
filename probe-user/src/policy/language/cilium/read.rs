//! Policies that somebody wrote.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};

use super::{
    labels::{NAMESPACE, OF_NAMESPACE, RESERVED, UNTOLD, is_left_out},
    model::{Direction, Policy, Side, Subject},
    wire,
};
use crate::{
    matrix::{
        Faults,
        resource::{self, Resource},
    },
    policy::language::selector::Selector,
};

/// Reads the policies of a document; `file` names it in faults.
///
/// # Errors
/// What is wrong with it: keys that the API does not have, values that Cilium would refuse, and what is right and cannot be
/// compared with anything that is known here.
pub fn read(text: &str, file: &str) -> Result<Vec<Policy>, Faults> {
    let mut policies = Vec::new();
    resource::each_of(text, file, super::KINDS, |resource| {
        if let Some(written) = resource.read::<wire::Resource>() {
            let is_clusterwide = resource.kind().ends_with("CiliumClusterwideNetworkPolicy");
            policies.extend(policies_of(resource, written, is_clusterwide));
        }
    })?;
    Ok(policies)
}

fn policies_of(resource: &mut Resource<'_>, written: wire::Resource, is_clusterwide: bool) -> Vec<Policy> {
    let wire::Resource { metadata, spec, specs, .. } = written;
    let name = metadata.name.unwrap_or_default();
    if name.is_empty() {
        resource.fault("metadata.name", "found no name".to_owned());
    }
    // `kubectl apply` puts what names none into this one.
    let namespace = (!is_clusterwide).then(|| metadata.namespace.unwrap_or_else(|| "default".to_owned()));
    let document = namespace.iter().chain([&name]).cloned().collect::<Vec<_>>().join("/");
    let several = specs.into_iter().flatten().enumerate();
    let several =
        several.map(|(index, spec)| (format!("specs[{index}]"), format!("{document} specs[{index}]"), spec));
    let single = spec.map(|spec| ("spec".to_owned(), document.clone(), spec));
    let all: Vec<_> = single.into_iter().chain(several).collect();
    if all.is_empty() {
        resource.fault("", "found neither spec nor specs".to_owned());
    }
    let policy = |(path, document, spec): (String, String, wire::Spec)| {
        let mut reader = Reader {
            resource: &mut *resource,
            namespace: namespace.as_deref(),
            is_clusterwide,
            notes: Vec::new(),
        };
        reader.policy(&path, document, spec)
    };
    all.into_iter().map(policy).collect()
}

/// Notes what is wrong and goes on: what it makes then is thrown away.
pub(super) struct Reader<'a, 'n> {
    pub(super) resource: &'a mut Resource<'n>,
    /// That of the resource, where it has one.
    namespace: Option<&'a str>,
    is_clusterwide: bool,
    pub(super) notes: Vec<String>,
}

/// Where a selector stands, which says whom it selects where it names no namespace.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Whom a policy is for.
    Subject,
    /// Who is at the other end.
    Peer,
    /// What the other end must have beside.
    Requirement,
    /// Nodes, which have no namespace.
    Nodes,
}

impl Reader<'_, '_> {
    fn policy(&mut self, path: &str, document: String, spec: wire::Spec) -> Policy {
        let wire::Spec {
            endpoint_selector, node_selector, ingress, ingress_deny, egress, egress_deny, ..
        } = spec;
        if ingress.is_none() && ingress_deny.is_none() && egress.is_none() && egress_deny.is_none() {
            self.resource.fault(path, "expected ingress, egress, ingressDeny or egressDeny".to_owned());
        }
        let default = spec.enable_default_deny.unwrap_or_default();
        let subject = match (endpoint_selector, node_selector) {
            (Some(pods), None) => {
                Subject::Pods(self.selector(&format!("{path}.endpointSelector"), pods, Place::Subject))
            }
            (None, Some(nodes)) => {
                let path = format!("{path}.nodeSelector");
                if !self.is_clusterwide {
                    self.resource
                        .fault(&path, "only a CiliumClusterwideNetworkPolicy selects nodes".to_owned());
                }
                Subject::Nodes(self.selector(&path, nodes, Place::Nodes))
            }
            _ => {
                self.resource.fault(path, "expected either endpointSelector or nodeSelector".to_owned());
                Subject::Pods(Selector::default())
            }
        };
        let mut direction =
            |key: &str, allow: Vec<wire::Rule>, deny: Vec<wire::Rule>, is_closed: Option<bool>| Direction {
                is_closed: is_closed.unwrap_or(!allow.is_empty() || !deny.is_empty()),
                allow: self.side(&format!("{path}.{key}"), allow, false),
                deny: self.side(&format!("{path}.{key}Deny"), deny, true),
            };
        let ingress = direction("ingress", rules(ingress), rules(ingress_deny), default.ingress);
        let egress = direction("egress", rules(egress), rules(egress_deny), default.egress);
        Policy { document, subject, ingress, egress, notes: std::mem::take(&mut self.notes) }
    }

    fn side(&mut self, path: &str, written: Vec<wire::Rule>, is_deny: bool) -> Side {
        let mut side = Side::default();
        for (index, mut rule) in written.into_iter().enumerate() {
            let path = format!("{path}[{index}]");
            for (place, selector) in rule.requires.take().into_iter().flatten().enumerate() {
                let path = format!("{path}.{}Requires[{place}]", rule.prefix);
                side.requirements.push(self.selector(&path, selector, Place::Requirement));
            }
            let rule = self.rule(&path, rule, is_deny);
            side.rules.push(rule);
        }
        side
    }

    /// A selector over the labels that Cilium gives, without the prefix that says who gave them: only its own have one.
    pub(super) fn selector(&mut self, path: &str, written: LabelSelector, place: Place) -> Selector {
        let LabelSelector { match_labels, match_expressions } = written;
        let labels = match_labels.into_iter().flatten();
        let mut labels: std::collections::BTreeMap<String, String> =
            labels.map(|(key, value)| (self.key(path, &key, place), value)).collect();
        let expressions = match_expressions.into_iter().flatten();
        let mut expressions: Vec<LabelSelectorRequirement> = expressions
            .map(|expression| LabelSelectorRequirement {
                key: self.key(path, &expression.key, place),
                ..expression
            })
            .collect();
        let keys: Vec<&str> =
            labels.keys().map(String::as_str).chain(expressions.iter().map(|one| one.key.as_str())).collect();
        let is_reserved = keys.iter().any(|key| key.starts_with(RESERVED));
        let is_spaced = keys.contains(&NAMESPACE);
        let is_elsewhere = is_spaced || keys.iter().any(|key| key.starts_with(OF_NAMESPACE));
        match (place, self.namespace) {
            (Place::Nodes, _) | (Place::Subject, None) => {}
            (Place::Peer, _) if is_reserved => {}
            // Whatever namespace it names: a policy is for its own.
            (Place::Subject, Some(namespace)) => {
                labels.insert(NAMESPACE.to_owned(), namespace.to_owned());
            }
            (_, Some(namespace)) if !is_elsewhere => {
                labels.insert(NAMESPACE.to_owned(), namespace.to_owned());
            }
            // Everybody who has a namespace, and not everybody.
            (_, None) if !is_spaced => expressions.push(LabelSelectorRequirement {
                key: NAMESPACE.to_owned(),
                operator: "Exists".to_owned(),
                values: None,
            }),
            _ => {}
        }
        let whole = LabelSelector { match_labels: Some(labels), match_expressions: Some(expressions) };
        Selector::read(whole, path, self.resource)
    }

    fn key(&mut self, path: &str, written: &str, place: Place) -> String {
        let key = match written.split_once(':') {
            Some(("k8s" | "any", key)) => key,
            None | Some(("reserved", _)) => written,
            Some((source, _)) => {
                self.resource.fault(
                    path,
                    format!("labels of the source `{source}` cannot be evaluated: nothing tells them"),
                );
                written
            }
        };
        if place != Place::Nodes && UNTOLD.contains(&key) {
            self.resource
                .fault(path, format!("the label `{key}` cannot be evaluated: no cluster's objects tell it"));
        }
        if place != Place::Nodes && key != NAMESPACE && is_left_out(key) {
            let words = "is a label that the agent leaves out of identities unless it is told to keep it, and selects nobody here";
            self.notes.push(format!("{path}: {key} {words}"));
        }
        key.to_owned()
    }
}

fn rules<R: Into<wire::Rule>>(written: Option<Vec<R>>) -> Vec<wire::Rule> {
    written.into_iter().flatten().map(Into::into).collect()
}
