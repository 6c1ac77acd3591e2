//! Calico's resources that somebody wrote.

mod rule;
mod value;

use super::{
    ENFORCED, STAGED,
    model::{NetworkSet, Policy, Resource, Rule, Scope, Selected, Staged, Tier},
    wire,
};
use crate::matrix::{
    Faults,
    located::Located,
    resource::{self, Resource as Written},
};

/// Reads the resources of a document; `file` names it in faults.
///
/// # Errors
/// What is wrong with it: keys that the kind does not have, values that Calico would refuse, and what is valid and cannot be
/// evaluated here, so that nobody takes silence for an answer.
pub fn read(text: &str, file: &str) -> Result<Vec<Resource>, Faults> {
    let mut found = Vec::new();
    resource::each(text, file, |mut written| {
        let version_and_kind = written.kind();
        let kind = version_and_kind.strip_prefix("projectcalico.org/v3/").unwrap_or_default();
        let mut reader = Reader { written: &mut written };
        let read = match kind {
            "NetworkPolicy" => reader.policy(Kind { is_staged: false, is_global: false }),
            "GlobalNetworkPolicy" => reader.policy(Kind { is_staged: false, is_global: true }),
            "StagedNetworkPolicy" => reader.policy(Kind { is_staged: true, is_global: false }),
            "StagedGlobalNetworkPolicy" => reader.policy(Kind { is_staged: true, is_global: true }),
            "NetworkSet" => reader.set(false),
            "GlobalNetworkSet" => reader.set(true),
            "Tier" => reader.tier(),
            _ => {
                let known: Vec<&str> = ENFORCED.iter().chain(STAGED).copied().collect();
                let message = format!("found `{version_and_kind}`, expected {}", known.join(", "));
                reader.written.fault("kind", message);
                None
            }
        };
        found.extend(read);
    })?;
    Ok(found)
}

/// Which of the four kinds a policy is.
#[derive(Clone, Copy)]
struct Kind {
    is_staged: bool,
    is_global: bool,
}

/// Notes what is wrong and goes on: what it makes then is thrown away.
struct Reader<'a, 'n> {
    written: &'a mut Written<'n>,
}

impl Reader<'_, '_> {
    fn policy(&mut self, kind: Kind) -> Option<Resource> {
        let wire::Resource { metadata, spec, .. } =
            self.written.read::<wire::Resource<wire::PolicySpec>>()?;
        let spec = spec.unwrap_or_default();
        self.foreign_keys(kind, &spec);
        self.beyond_evaluation(&spec);
        // As for `kubectl apply`.
        let namespace = metadata.namespace.unwrap_or_else(|| "default".to_owned());
        let namespace = (!kind.is_global).then_some(namespace);
        let types = self.types(&spec);
        let home = namespace.as_deref();
        let labels = self.expression(spec.selector.as_ref());
        let scope = match (&namespace, &spec.namespace_selector) {
            (Some(own), _) => Scope::Namespace(own.clone()),
            (None, None) => Scope::Everywhere,
            (None, Some(of)) if is_empty(of) => Scope::Everywhere,
            (None, Some(of)) => self.expression(Some(of)).map_or(Scope::Everywhere, Scope::Namespaces),
        };
        let mut rules = |path: &str, written: Option<Vec<wire::Rule>>| -> Vec<Rule> {
            let numbered = written.unwrap_or_default().into_iter().enumerate();
            numbered
                .filter_map(|(index, rule)| self.rule(&format!("spec.{path}[{index}]"), rule, home))
                .collect()
        };
        let (ingress, egress) = (rules("ingress", spec.ingress), rules("egress", spec.egress));
        let staged = kind.is_staged.then(|| self.staged(spec.staged_action.as_ref()));
        let name = self.name(metadata.name);
        Some(Resource::Policy(Policy {
            namespace,
            name,
            tier: spec.tier.unwrap_or_else(|| super::DEFAULT_TIER.to_owned()),
            order: spec.order.unwrap_or(f64::INFINITY),
            staged,
            endpoints: Selected { scope, labels: labels? },
            ingress: types.0.then_some(ingress),
            egress: types.1.then_some(egress),
        }))
    }

    /// Whether it is for ingress, and for egress. Where it does not say: for that of which it has rules, and without any for
    /// ingress (the reference's `types`).
    fn types(&mut self, spec: &wire::PolicySpec) -> (bool, bool) {
        let has = |rules: &Option<Vec<wire::Rule>>| rules.as_ref().is_some_and(|rules| !rules.is_empty());
        let types = spec.types.as_deref().unwrap_or_default();
        for one in types {
            self.one_of(one, &["Ingress", "Egress"]);
        }
        if types.is_empty() {
            return (has(&spec.ingress) || !has(&spec.egress), has(&spec.egress));
        }
        let is_for = |kind: &str| types.iter().any(|one| one.value.as_deref() == Some(kind));
        (is_for("Ingress"), is_for("Egress"))
    }

    fn staged(&mut self, action: Option<&Located<String>>) -> Staged {
        let Some(action) = action else { return Staged::Set };
        match self.one_of(action, &["Set", "Delete", "Learn", "Ignore"]) {
            Some("Delete") => Staged::Delete,
            Some("Learn" | "Ignore") => Staged::Nothing,
            _ => Staged::Set,
        }
    }

    fn name(&mut self, name: Option<String>) -> String {
        let name = name.unwrap_or_default();
        if name.is_empty() {
            self.written.fault("metadata.name", "found no name".to_owned());
        }
        name
    }

    fn set(&mut self, is_global: bool) -> Option<Resource> {
        let wire::Resource { metadata, spec, .. } = self.written.read::<wire::Resource<wire::SetSpec>>()?;
        let namespace = metadata.namespace.unwrap_or_else(|| "default".to_owned());
        Some(Resource::Set(NetworkSet {
            namespace: (!is_global).then_some(namespace),
            name: self.name(metadata.name),
            labels: metadata.labels.unwrap_or_default(),
            nets: self.nets(spec.unwrap_or_default().nets),
        }))
    }

    fn tier(&mut self) -> Option<Resource> {
        let wire::Resource { metadata, spec, .. } = self.written.read::<wire::Resource<wire::TierSpec>>()?;
        let wire::TierSpec { order, default_action } = spec.unwrap_or_default();
        let action = default_action.as_ref().and_then(|action| self.one_of(action, &["Deny", "Pass"]));
        let passes_on = action == Some("Pass");
        let order = order.unwrap_or(f64::INFINITY);
        Some(Resource::Tier(Tier { name: self.name(metadata.name), order, passes_on }))
    }

    /// Keys that other kinds of policy have.
    fn foreign_keys(&mut self, kind: Kind, spec: &wire::PolicySpec) {
        let place = |text: &wire::Text| text.as_ref().map(|one| one.line);
        let flag = |flag: &Option<Located<bool>>| flag.as_ref().map(|one| one.line);
        let of_global = [
            ("namespaceSelector", place(&spec.namespace_selector)),
            ("doNotTrack", flag(&spec.do_not_track)),
            ("preDNAT", flag(&spec.pre_dnat)),
            ("applyOnForward", flag(&spec.apply_on_forward)),
        ];
        let of_staged = [("stagedAction", place(&spec.staged_action))];
        let global = of_global.iter().filter(|_| !kind.is_global).map(|(key, line)| (key, line, "global"));
        let staged = of_staged.iter().filter(|_| !kind.is_staged).map(|(key, line)| (key, line, "staged"));
        for (key, line, whose) in global.chain(staged) {
            if let Some(line) = line {
                let message = format!("unknown key `{key}`: only {whose} policies have it");
                self.written.fault_at(*line, "spec", message);
            }
        }
    }

    /// What is valid and decides by what nobody recorded.
    fn beyond_evaluation(&mut self, spec: &wire::PolicySpec) {
        if let Some(selector) = spec.service_account_selector.as_ref().filter(|one| !is_empty(one)) {
            self.beyond(selector, "no recording tells a pod's service account");
        }
        for (flag, why) in [
            (&spec.do_not_track, "what happens before connections are tracked is not replayed"),
            (&spec.pre_dnat, "what happens before a service's address is translated is not replayed"),
            (&spec.apply_on_forward, "what a node forwards for others is not recorded at that node"),
        ] {
            if let Some(flag) = flag.as_ref().filter(|flag| flag.value == Some(true)) {
                self.beyond(flag, why);
            }
        }
        for hint in spec.performance_hints.iter().flatten() {
            self.one_of(hint, &["AssumeNeededOnEveryNode"]);
        }
    }
}

fn is_empty(text: &Located<String>) -> bool {
    text.value.as_deref().is_none_or(str::is_empty)
}
