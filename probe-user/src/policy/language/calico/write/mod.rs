//! Rules as Calico's policies: one for each workload, and one for each node that speaks for itself.

mod document;
mod rule;
mod sets;

use std::collections::BTreeSet;

use serde_saphyr::SerializeError;

use self::{
    document::Document,
    rule::{Rules, Told},
    sets::Sets,
};
use crate::policy::{
    explain,
    gather::Policies,
    language::{File, Written, yaml::Yaml},
    world::World,
};

/// The order of what is written; `super` says why.
const ORDER: u16 = 1000;

/// Writes them; as proposals (`Staged…`) where that is asked for.
///
/// # Errors
/// What the writer of YAML says.
pub fn write(world: &World<'_>, policies: &Policies<'_>, is_staged: bool) -> Result<Written, SerializeError> {
    let (mut documents, mut warnings) = (Vec::new(), Vec::new());
    for policy in &policies.subjects {
        match Document::of(world, policy) {
            Ok(document) => documents.push(document),
            Err(warning) => warnings.push(warning),
        }
    }
    let sets = Sets::of(&documents);
    let mut files = sets.files()?;
    let mut told = BTreeSet::new();
    for document in &documents {
        let mut writer = Writer { document, sets: &sets, is_staged, told: Vec::new() };
        files.push(writer.file()?);
        warnings.extend(document.warning());
        warnings.extend(writer.told.into_iter().filter(|words| told.insert(words.clone())));
    }
    Ok(Written { files, warnings })
}

struct Writer<'a> {
    document: &'a Document<'a>,
    sets: &'a Sets<'a>,
    is_staged: bool,
    /// What the language cannot say.
    told: Vec<String>,
}

impl Writer<'_> {
    fn file(&mut self) -> Result<File, SerializeError> {
        let Self { document, is_staged, .. } = *self;
        let mut yaml = document.head(if is_staged { "Staged" } else { "" })?;
        yaml.line(0, "spec:");
        if is_staged {
            yaml.entry(2, "stagedAction", &"Set")?;
        }
        yaml.entry(2, "tier", &super::DEFAULT_TIER)?;
        yaml.entry(2, "order", &ORDER)?;
        yaml.entry(2, "selector", &document.selector)?;
        let directions = [("ingress", "Ingress", &document.ingress), ("egress", "Egress", &document.egress)];
        let types: Vec<&str> =
            directions.iter().filter(|(.., rules)| rules.is_some()).map(|(_, name, _)| *name).collect();
        yaml.entry(2, "types", &types)?;
        for (key, _, rules) in directions {
            if let Some(rules) = rules {
                self.direction(&mut yaml, key, rules)?;
            }
        }
        Ok(document.file(yaml))
    }

    fn direction(
        &mut self,
        yaml: &mut Yaml,
        key: &str,
        rules: &[crate::policy::Rule],
    ) -> Result<(), SerializeError> {
        let Document { cluster, home, objects, .. } = *self.document;
        let of = Rules { cluster, home, objects, sets: self.sets, is_egress: key == "egress" };
        let told: Vec<Told> = rules.iter().map(|rule| of.tell(rule)).collect();
        // A list that has only comments would be no list.
        let is_empty = told.iter().all(|told| told.items.is_empty());
        if rules.is_empty() {
            yaml.comment(2, explain::CLOSED);
        }
        yaml.line(2, &format!("{key}:{}", if is_empty { " []" } else { "" }));
        if key == "egress" && self.document.reaches_own_nodes {
            yaml.comment(4, "what goes to a pod's own node passes where Felix has defaultEndpointToHostAction: Accept, too");
        }
        for Told { comments, items, warnings } in told {
            for words in comments {
                yaml.comment(4, &words);
            }
            for item in items {
                yaml.item(4, &item)?;
            }
            let subject = &self.document.subject;
            self.told.extend(warnings.into_iter().map(|words| format!("{subject}: {words}")));
        }
        Ok(())
    }
}
