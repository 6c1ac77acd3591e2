//! Rules of Calico's policies.

use super::{
    super::{
        model::{Action, Entity, Rule, Scope, Selected},
        wire,
    },
    Reader, is_empty,
};

/// Transports that have ports: TCP, UDP, SCTP (`SupportsPorts` in Calico's numorstring).
const WITH_PORTS: [u8; 3] = [6, 17, 132];

impl Reader<'_, '_> {
    /// `home` is the policy's namespace.
    pub(super) fn rule(&mut self, path: &str, written: wire::Rule, home: Option<&str>) -> Option<Rule> {
        let wire::Rule { action, ip_version, protocol, not_protocol, icmp, not_icmp, http, .. } = written;
        let action = match self.one_of(&action, &["Allow", "Deny", "Pass", "Log"]) {
            Some("Allow") => Action::Allow,
            Some("Pass") => Action::Pass,
            Some("Log") => Action::Log,
            _ => Action::Deny,
        };
        for (found, why) in [
            (&icmp, "no recording tells types of ICMP"),
            (&not_icmp, "no recording tells types of ICMP"),
            (&http, "no recording tells what is asked over HTTP"),
        ] {
            if let Some(found) = found {
                self.beyond(found, why);
            }
        }
        let is_v4 = ip_version.as_ref().and_then(|version| match version.value? {
            4 => Some(true),
            6 => Some(false),
            other => {
                self.fault(version, format!("found {other}, expected 4 or 6"));
                None
            }
        });
        let (protocol, not_protocol) = (
            protocol.as_ref().and_then(|one| self.protocol(one)),
            not_protocol.as_ref().and_then(|one| self.protocol(one)),
        );
        let (source, destination) =
            (written.source.unwrap_or_default(), written.destination.unwrap_or_default());
        for port in source.ports.iter().chain(&source.not_ports).flatten().take(1) {
            self.beyond(port, "no recording tells the port that a client has");
        }
        for port in destination.ports.iter().chain(&destination.not_ports).flatten().take(1) {
            if !protocol.is_some_and(|protocol| WITH_PORTS.contains(&protocol)) {
                self.fault(
                    port,
                    "found a port, expected none unless protocol is TCP, UDP or SCTP".to_owned(),
                );
            }
        }
        let (source, destination) = (self.entity(source, home), self.entity(destination, home));
        let rule = Rule { action, is_v4, protocol, not_protocol, source: source?, destination: destination? };
        self.families(path, &rule);
        Some(rule)
    }

    /// Calico refuses a rule with blocks of both families, or of another than its `ipVersion` (its validator's words for a
    /// rule).
    fn families(&mut self, path: &str, rule: &Rule) {
        let Rule { is_v4, source, destination, .. } = rule;
        let nets = [&source.nets, &source.not_nets, &destination.nets, &destination.not_nets];
        let v4 = nets.into_iter().flatten().map(|net| net.addr().is_ipv4());
        let families: std::collections::BTreeSet<bool> = v4.chain(*is_v4).collect();
        if families.len() > 1 {
            let message = "found IPv4 and IPv6 in one rule, expected one of them";
            self.written.fault(path, message.to_owned());
        }
    }

    fn entity(&mut self, written: wire::Entity, home: Option<&str>) -> Option<Entity> {
        if let Some(found) = &written.service_accounts {
            self.beyond(found, "no recording tells a pod's service account");
        }
        if let Some(found) = &written.services {
            self.beyond(found, "which endpoints a service has is known of pods only");
        }
        let ports = self.ports(written.ports);
        let not_ports = self.ports(written.not_ports);
        let not_selected = written.not_selector.filter(|one| !is_empty(one));
        let not_selected = match &not_selected {
            Some(text) => Some(self.expression(Some(text))?),
            None => None,
        };
        let selector = written.selector.filter(|one| !is_empty(one));
        let namespaces = written.namespace_selector.filter(|one| !is_empty(one));
        let is_limited = selector.is_some() || not_selected.is_some();
        let scope = match (&namespaces, home) {
            (Some(namespaces), _) => Some(Scope::Namespaces(self.namespaces(namespaces)?)),
            // Whoever is selected, or not, is so in the policy's own namespace (`GetEntityRuleSelector`).
            (None, Some(home)) => is_limited.then(|| Scope::Namespace(home.to_owned())),
            (None, None) => selector.is_some().then_some(Scope::Everywhere),
        };
        let labels = self.expression(selector.as_ref())?;
        Some(Entity {
            nets: self.nets(written.nets),
            not_nets: self.nets(written.not_nets),
            selected: scope.map(|scope| Selected { scope, labels }),
            // Other than who is selected, who is not is looked for everywhere (`RuleAPIV2ToBackend`).
            not_selected: not_selected.map(|labels| Selected { scope: Scope::Everywhere, labels }),
            ports,
            not_ports,
        })
    }
}
